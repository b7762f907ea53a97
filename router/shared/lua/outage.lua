-- A breaker: what a process has met goes in, how many have met it comes out; all hear of it by the news.
-- router/shared/outage_table.py is the same in Python.
--
-- KEYS: those who opened, their machines, those who called, their machines (each with the time until which it counts),
-- and the three of the news. ARGV: what, seconds that it will be open, machine, name. Returns what it is, the four
-- counts, and seconds: since the first opened, until they probe, after which it has to be told again.
local RECENT = 30

local function count(now, key, who, ends)
  if who then redis.call('ZADD', KEYS[key], 'GT', string.format('%.6f', ends), who) end
  redis.call('ZREMRANGEBYSCORE', KEYS[key], '-inf', string.format('%.6f', now))
  redis.call('EXPIRE', KEYS[key], LONGEST + 60)
  return redis.call('ZCARD', KEYS[key])
end

function answers.outage(moment, key, at)
  local now, news = moment.now, key + 4
  local told_what, seconds, machine, item = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2], 'breaker ' .. ARGV[at + 3]
  if told_what == 'closed' then
    redis.call('DEL', KEYS[key], KEYS[key + 1])
    local ends, _, payload = look(news, item)
    if payload ~= 'closed' or ends <= now then publish(now, news, item, 'closed', now + RECENT) end
    return '- 0 0 0 0 0 0 0', key + 7, at + 4
  end
  local is_open, calls = told_what == 'opened' or told_what == 'refused', told_what ~= 'heard'
  local counted = now + (told_what == 'refused' and math.min(math.max(RECENT, seconds), LONGEST) or RECENT)
  local opened = count(now, key, is_open and moment.label, counted)
  local machines = count(now, key + 1, is_open and machine, counted)
  local called = count(now, key + 2, calls and moment.label, now + RECENT)
  local called_from = count(now, key + 3, calls and machine, now + RECENT)

  local what, since, told, again = '', now, 0, 0
  local ends, last, payload = look(news, item)
  if ends and ends > now and payload ~= 'closed' then
    what, since, told = string.match(payload, '^(%S+) (%S+) (%S+)$')
    since, told = tonumber(since), tonumber(told)
  else
    ends = 0
  end
  if is_open then
    local mine = now + math.min(seconds, LONGEST)
    local grown = opened > told and told < math.max(2, called / 2)
    if what == '' or told_what ~= what or grown or mine > ends + AGAIN then
      if what ~= '' and now < last + AGAIN then
        again = last + AGAIN - now
      else
        what, ends = told_what, math.max(ends, mine)
        publish(now, news, item, string.format('%s %.6f %d', what, since, opened), ends)
      end
    end
  end
  local counts = string.format('%d %d %d %d', opened, called, machines, called_from)
  local left = math.max(0, ends - now)
  what = what == '' and '-' or what
  return string.format('%s %s %.6f %.6f %.6f', what, counts, now - since, left, again), key + 7, at + 4
end
