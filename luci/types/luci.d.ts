// SPDX-License-Identifier: GPL-2.0-only
// LuCI's modules under the names by which the views import them (the build turns each import into LuCI's
// 'require …'), with what @kuoruan/luci-types does not know yet.

declare module 'luci:fs' {
  /** fs.js: what a program left behind. */
  const fs: {
    /** Rejects with an Error if it may not be run, or could not be. */
    exec(
      command: string,
      parameters?: readonly string[],
    ): Promise<{ code?: number; stdout?: string; stderr?: string }>;
  };
  export default fs;
}

declare module 'luci:poll' {
  import poll from '@kuoruan/luci-types/typings/poll';

  export default poll;
}

declare module 'luci:rpc' {
  import rpc from '@kuoruan/luci-types/typings/rpc';

  export default rpc;
}

declare module 'luci:uci' {
  import uci from '@kuoruan/luci-types/typings/uci';

  export default uci;
}

declare module 'luci:ui' {
  import base from '@kuoruan/luci-types/typings/ui';

  const ui: typeof base & {
    readonly changes: {
      /** Asks for the changes that have not been applied yet and shows how many there are. */
      init(): Promise<void>;
    };
  };
  export default ui;
}

declare module 'luci:view' {
  import view from '@kuoruan/luci-types/typings/view';

  export default view;
}
