// SPDX-License-Identifier: GPL-2.0-only
// form.js as far as the settings page uses it. The declarations of @kuoruan/luci-types cannot express it: there, no
// option can be added to a section without an error, and sections lack what may be overridden.

declare module 'luci:form' {
  type Constructor<Instance> = abstract new (...parameters: never[]) => Instance;

  namespace form {
    // biome-ignore lint/suspicious/noShadowRestrictedNames: LuCI's name
    class Map {
      constructor(config: string, title: string, description: string);
      /** The section that is removed again if its dialog is dismissed (GridSection.handleAdd). */
      addedSection?: string;
      section<Section extends AbstractSection>(
        kind: Constructor<Section>,
        type: string,
        ...rest: string[]
      ): Section;
      render(): Promise<Node>;
    }

    class AbstractSection {
      readonly map: Map;
      option<Option extends AbstractValue>(
        kind: Constructor<Option>,
        name: string,
        title: string,
        description?: string,
      ): Option;
      tab(name: string, title: string, description?: string): void;
      /** What `option` has, in a tab. `rest` is for a SectionValue: the section's class, and what that is made with. */
      taboption<Option extends AbstractValue>(
        tab: string,
        kind: Constructor<Option>,
        name: string,
        ...rest: unknown[]
      ): Option;
      /** Takes what the form says over into what is saved next; rejects if a value is not allowed. */
      parse(): Promise<unknown>;
    }

    class NamedSection extends AbstractSection {}

    /** A table that is changed in place. */
    class TableSection extends AbstractSection {
      anonymous: boolean;
      cfgsections(): string[];
    }

    /** A table, of whose rows each has a dialog. */
    class GridSection extends AbstractSection {
      anonymous: boolean;
      addremove: boolean;
      /** Whether there is no row with the options' descriptions under the titles. */
      nodescriptions: boolean;
      /** HTML. */
      modaltitle: (section: string) => string;
      cfgsections(): string[];
      /** Called for each dialog before it is shown. */
      addModalOptions: (dialog: NamedSection, section: string) => unknown;
      renderMoreOptionsModal(section: string, event: Event): Promise<unknown>;
    }

    class AbstractValue {
      /** True: in the dialog only; false: in the table only. */
      modalonly: boolean | null;
      /** Whether it can be changed in the table itself. */
      editable: boolean;
      optional: boolean;
      /** Of the column, in CSS. */
      width: string;
      placeholder: string;
      /** As validation.js names them. */
      datatype: string;
      load(section: string): unknown;
      /** What is wrong with a value, or true. */
      validate: (section: string, value: string) => string | true;
      write(section: string, value: string | string[]): unknown;
      /** Whether `write` is called although nothing has changed. */
      forcewrite: boolean;
      remove(section: string): unknown;
      formvalue(section: string): unknown;
      renderWidget(section: string, index: number, value: unknown): Node;
      /** What the table shows where it cannot be changed; a string is HTML. */
      textvalue(section: string): string | Node | null;
    }

    class Value extends AbstractValue {}

    class DummyValue extends AbstractValue {}

    class DynamicList extends AbstractValue {}

    class Flag extends AbstractValue {}

    /** A section in a dialog. */
    class SectionValue<Section extends AbstractSection = AbstractSection> extends AbstractValue {
      readonly subsection: Section;
    }

    class ListValue extends AbstractValue {
      value(key: string, label: string): void;
    }
  }
  export default form;
}
