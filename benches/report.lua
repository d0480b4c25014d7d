-- wrk -s report.lua URL -- METHOD: asks with METHOD and prints one line of JSON.

function init(args)
   wrk.method = args[1]
end

function done(summary, latency, _)
   local errors = summary.errors
   io.write(string.format(
      '{"requests": %d, "seconds": %.6f, "p50": %d, "p99": %d, "p999": %d, "bad": %d, "broken": %d}\n',
      summary.requests, summary.duration / 1e6,
      latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
      errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
