-- SPDX-License-Identifier: GPL-2.0-only
-- A collector for prometheus-node-exporter-lua (2026.06.05), which calls scrape() and has metric(name, type, labels,
-- value). What "wg-slaacer metrics" prints is the same, from src/cli/metrics.ts.

local ubus = require "ubus"

-- What may become of an address.
local changes = { "learned", "restored", "given", "adopted", "expired", "evicted", "forgotten", "released" }

-- Seconds. Prometheus waits for 10: while the service does not answer, those of the other collectors are to arrive.
local PATIENCE = 5

-- The exporter takes label values as they are.
local function escaped(text)
  return (tostring(text):gsub("\\", "\\\\"):gsub('"', '\\"'):gsub("\n", "\\n"))
end

local function ask()
  local connection = ubus.connect(nil, PATIENCE)
  if not connection then return nil end
  local status = connection:call("wg-slaacer", "status", {})
  connection:close()
  return status
end

local function scrape()
  local status = ask()
  metric("wg_slaacer_up", "gauge", nil, status and 1 or 0)
  if not status then return end

  metric("wg_slaacer_build_info", "gauge", { version = escaped(status.version), hook = escaped(status.hook) }, 1)
  metric("wg_slaacer_uptime_seconds", "gauge", nil, status.uptime)

  local problems = {}
  for _, problem in ipairs(status.problems) do
    problems[problem.code] = (problems[problem.code] or 0) + 1
  end
  local problem_count = metric("wg_slaacer_problems", "gauge")
  for code, count in pairs(problems) do
    problem_count({ code = escaped(code) }, count)
  end

  local enabled = {}
  for _, interface in ipairs(status.interfaces) do
    if interface.enabled then
      enabled[#enabled + 1] = {
        labels = { interface = escaped(interface.name), device = escaped(interface.device) },
        status = interface,
      }
    end
  end
  local interface_up = metric("wg_slaacer_interface_up", "gauge")
  for _, each in ipairs(enabled) do
    interface_up(each.labels, each.status.up and 1 or 0)
  end
  local addresses = metric("wg_slaacer_addresses", "gauge")
  for _, each in ipairs(enabled) do
    addresses(each.labels, each.status.addresses)
  end

  local totals = status.totals
  local address_events = metric("wg_slaacer_address_events_total", "counter")
  for _, event in ipairs(changes) do
    address_events({ event = event }, totals[event])
  end
  metric("wg_slaacer_takeovers_total", "counter", nil, totals.taken)
  local denied = metric("wg_slaacer_denied_packets_total", "counter")
  for reason, count in pairs(totals.denied) do
    denied({ reason = escaped(reason) }, count)
  end
  local revealing = metric("wg_slaacer_revealing_packets_total", "counter")
  revealing({ fate = "delivered" }, totals.delivered)
  revealing({ fate = "lost" }, totals.delivery_failed)
  metric("wg_slaacer_missed_changes_total", "counter", nil, totals.missed)
end

return { scrape = scrape }
