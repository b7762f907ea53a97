-- Places: what a process holds goes in, what it gets of those that are free comes out. router/shared/place_table.py is
-- the same in Python.
--
-- KEYS: when each process was heard, and how many it holds ('sum': all; 'short': when somebody got too few). ARGV: how
-- many there are, held, wanted. Returns how many it gets (below 0: has to give back), those free then, and whether they
-- were short lately.
local DEAD, GATHERING, SHORT, SWEPT = 5, 2, 2, 10

function answers.place(moment, key, at)
  local now, seen, held = moment.now, KEYS[key], KEYS[key + 1]
  local most, has, want = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local dead = redis.call('ZRANGEBYSCORE', seen, '-inf', string.format('%.6f', now - DEAD), 'LIMIT', 0, SWEPT)
  local gone = 0
  table.insert(dead, moment.label)
  for _, who in ipairs(dead) do
    gone = gone + tonumber(redis.call('HGET', held, who) or 0)
    redis.call('HDEL', held, who)
    redis.call('ZREM', seen, who)
  end
  local others = redis.call('HINCRBY', held, 'sum', 0 - gone)
  local room = most - others - has
  local gathers = moment.lost and now < moment.born + GATHERING
  local got = gathers and math.min(0, room) or math.min(want, room)
  local holds = has + math.max(0, got)
  if holds > 0 then
    redis.call('ZADD', seen, string.format('%.6f', now), moment.label)
    redis.call('HSET', held, moment.label, holds)
    redis.call('HINCRBY', held, 'sum', holds)
  end
  if got < want then redis.call('HSET', held, 'short', string.format('%.6f', now)) end
  local short = now < tonumber(redis.call('HGET', held, 'short') or -SHORT) + SHORT
  redis.call('EXPIRE', seen, 60)
  redis.call('EXPIRE', held, 60)
  return string.format('%d %d %d', got, math.max(0, room - got), short and 1 or 0), key + 2, at + 3
end
