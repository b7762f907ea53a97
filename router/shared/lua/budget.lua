-- A budget in one period: what a machine has spent goes in, a lease of dollars comes out. router/shared/budget_table.py is
-- the same in Python.
--
-- KEYS: the budget, and who has a lease of it. ARGV, in nano-dollars but for the machine's name and the last: limit,
-- machine, its total, what the process holds, what it wants besides, what one call costs, seconds that the key lasts.
-- Returns what was got, the sum of all machines, what is known of this one, what nobody has, what others have, the lowest
-- limit, and whether not all have told their totals again since a loss.
local YOUNG, LIVING, LOWEST = 2, 5, 15 -- seconds: all have told again; a lease lasts; a limit holds that nobody tells

function answers.budget(moment, key, at)
  local purse, leases, now = KEYS[key], KEYS[key + 1], moment.now
  local limit, machine, total = tonumber(ARGV[at]), 'm' .. ARGV[at + 1], tonumber(ARGV[at + 2])
  local hold, more, least = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  local own = 'l' .. moment.label

  local had = redis.call('HMGET', purse, 'spent', 'leased', 'limit', 'limit_at', 'lost_at', machine, own)
  local spent, leased, lowest = tonumber(had[1] or 0), tonumber(had[2] or 0), tonumber(had[3] or -1)
  local limit_at, lost_at = tonumber(had[4] or 0), tonumber(had[5] or 0)
  local before, lease = tonumber(had[6] or 0), tonumber(had[7] or 0)

  local ended = redis.call('ZRANGEBYSCORE', leases, '-inf', string.format('%.6f', now - LIVING), 'LIMIT', 0, 100)
  for _, label in ipairs(ended) do -- the leases of those who live no more
    leased = leased - tonumber(redis.call('HGET', purse, 'l' .. label) or 0)
    if label == moment.label then lease = 0 end
    redis.call('HDEL', purse, 'l' .. label)
    redis.call('ZREM', leases, label)
  end

  local known = math.max(before, total) -- it only grows: told twice, or again after a loss, it counts once
  spent = spent + (known - before) -- so: the sum of both may be more than a number holds exactly
  if lowest < 0 or limit <= lowest or now - limit_at > LOWEST then
    lowest, limit_at = limit, now
  end
  if moment.anew and lost_at == 0 then
    lost_at = now
    redis.call('HSET', purse, 'lost_at', string.format('%.6f', now))
  end
  local young = lost_at > 0 and now - lost_at < YOUNG

  local others = math.max(0, leased - lease)
  local rest, got = math.max(0, lowest - spent - others - hold), 0
  if not young and (rest >= least or others == 0) then
    got = math.min(more, rest, math.max(math.floor(rest / (2 * math.max(1, moment.processes))), least))
  end
  lease = hold + got

  redis.call('HSET', purse, 'spent', string.format('%.0f', spent), 'leased', string.format('%.0f', others + lease),
    'limit', string.format('%.0f', lowest), 'limit_at', string.format('%.6f', limit_at), machine,
    string.format('%.0f', known))
  redis.call('EXPIRE', purse, ARGV[at + 6])
  if lease > 0 then
    redis.call('HSET', purse, own, string.format('%.0f', lease))
    redis.call('ZADD', leases, string.format('%.6f', now), moment.label)
    redis.call('EXPIRE', leases, 60)
  else
    redis.call('HDEL', purse, own)
    redis.call('ZREM', leases, moment.label)
  end
  return string.format('%.0f %.0f %.0f %.0f %.0f %.0f %d', got, spent, known, rest - got, others, lowest,
    young and 1 or 0), key + 2, at + 7
end
