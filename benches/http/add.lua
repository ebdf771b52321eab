-- POSTs `add` to counters. Settings from the environment: KEYS (how many counters, default 1,000;
-- 1 is the hot key), KEYED=1 for a fresh idempotency key on every request, BENCH_KEY for the
-- bearer key.
local keys = tonumber(os.getenv("KEYS") or "1000")
local keyed = os.getenv("KEYED") == "1"
local run = os.getenv("RUN") or tostring(os.time())
local headers = {
    ["Authorization"] = "Bearer " .. os.getenv("BENCH_KEY"),
    ["Content-Type"] = "application/json",
}
local threads = 0
local refused = 0

function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
end

function init(_)
    math.randomseed(number + 1)
    count = 0
end

function request()
    count = count + 1
    if keyed then
        headers["Idempotency-Key"] = run .. "-" .. number .. "-" .. count
    end
    local path = "/v1/entities/counter/c" .. math.random(keys) .. "/add"
    return wrk.format("POST", path, headers, '{"n":1}')
end
