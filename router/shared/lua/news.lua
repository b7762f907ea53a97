-- News: what a process tells goes in, what others told since its last look comes out. router/shared/news_table.py is the
-- same in Python.
--
-- KEYS: items by version, the items (their end, when they were told, their payload), the last version. ARGV: the cursor,
-- and facts (kind, name, seconds, payload) after their number. Returns, between tabs: the new cursor and whether there is
-- more, then items: kind, name, seconds left, payload.
local MOST, LONGEST, AGAIN, FORGOTTEN = 256, 600, 1, 8

local function look(key, item)
  local kept = redis.call('HGET', KEYS[key + 1], item)
  if kept then
    local ends, at, payload = string.match(kept, '^(%S+) (%S+) (.*)$')
    return tonumber(ends), tonumber(at), payload
  end
end

local function keep(key, item, ends, at, payload)
  redis.call('HSET', KEYS[key + 1], item, string.format('%.6f %.6f %s', ends, at, payload))
end

-- Makes an item news to all, and forgets what has ended.
local function publish(now, key, item, payload, ends)
  redis.call('ZADD', KEYS[key], redis.call('INCR', KEYS[key + 2]), item)
  keep(key, item, ends, now, payload)
  for _, old in ipairs(redis.call('ZRANGE', KEYS[key], 0, FORGOTTEN - 1)) do
    if (look(key, old) or 0) <= now then
      redis.call('ZREM', KEYS[key], old)
      redis.call('HDEL', KEYS[key + 1], old)
    end
  end
  for its = key, key + 2 do redis.call('EXPIRE', KEYS[its], LONGEST + 60) end
end

local function tell(now, key, item, seconds, payload)
  local ends = now + math.min(seconds, LONGEST)
  local old_ends, at, old = look(key, item)
  if ends <= now then return end
  if old_ends and old_ends > now then
    if old == payload then
      if ends <= old_ends then return end
      if now < at + AGAIN then
        keep(key, item, ends, at, payload)
        return
      end
    end
    ends = math.max(ends, old_ends)
  end
  publish(now, key, item, payload, ends)
end

function answers.news(moment, key, at)
  local now, cursor, facts = moment.now, tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  at = at + 2
  for fact = 0, facts - 1 do
    local first = at + 4 * fact
    tell(now, key, ARGV[first] .. ' ' .. ARGV[first + 1], tonumber(ARGV[first + 2]), ARGV[first + 3])
  end
  local version = tonumber(redis.call('GET', KEYS[key + 2]) or 0)
  if moment.anew or cursor > version then cursor = 0 end
  local found = {}
  if cursor < version then
    found = redis.call('ZRANGEBYSCORE', KEYS[key], '(' .. cursor, '+inf', 'WITHSCORES', 'LIMIT', 0, MOST)
  end
  local full = #found == 2 * MOST
  local items = {}
  for pair = 1, #found, 2 do
    local ends, _, payload = look(key, found[pair])
    if ends > now then table.insert(items, string.format('%s %.6f %s', found[pair], ends - now, payload)) end
    if full then version = tonumber(found[pair + 1]) end
  end
  table.insert(items, 1, string.format('%d %d', version, full and 1 or 0))
  return table.concat(items, '\t'), key + 3, at + 4 * facts
end
