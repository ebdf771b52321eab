-- Submits workflows of five steps and waits for the end of each. What doesn't end as `success` counts
-- as refused. Settings from the environment: BENCH_KEY for the bearer key.
local threads = {}

function setup(thread)
    table.insert(threads, thread)
end

function init(_)
    failed = 0
    wrk.method = "POST"
    wrk.path = "/v1/workflows"
    wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_KEY")
    wrk.headers["Content-Type"] = "application/json"
    wrk.headers["Prefer"] = "wait=30"
    wrk.body = '{"objective":"five steps","template":"five_steps","input":{"n":1}}'
end

function response(status, _, body)
    if status ~= 200 or not body:find('"status":"success"', 1, true) then
        failed = failed + 1
    end
end

function done(_, _, _)
    local all = 0
    for _, thread in ipairs(threads) do
        all = all + thread:get("failed")
    end
    if all > 0 then
        print("Non-2xx or not a success: " .. all)
    end
end
