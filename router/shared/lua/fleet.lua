-- What processes tell of themselves, and what those who watch ask for. router/shared/fleet_table.py is the same in
-- Python. The last key of each is that of those who are watched.

-- KEYS: the brief, the watched. ARGV: the brief. Returns whether this process is watched, and the time.
function answers.brief(moment, key, at)
  redis.call('SET', KEYS[key], ARGV[at], 'EX', 10)
  local watched = redis.call('GET', KEYS[key + 1]) or ''
  local wanted = string.find(' ' .. watched .. ' ', ' ' .. moment.label .. ' ', 1, true) and 1 or 0
  return string.format('%d %.6f', wanted, moment.now), key + 2, at + 1
end

-- KEYS: the snapshot, the watched. ARGV: the snapshot.
function answers.snapshot(moment, key, at)
  redis.call('SET', KEYS[key], ARGV[at], 'EX', 5)
  return '-', key + 2, at + 1
end

-- KEYS: the watched. ARGV: their labels, if it is for this one to say. Returns the labels of all who live.
function answers.watch(moment, key, at)
  if ARGV[at] ~= '' then redis.call('SET', KEYS[key], ARGV[at], 'EX', 10) end
  return table.concat(redis.call('ZRANGE', KEYS[2], 0, -1), ' '), key + 1, at + 1
end

-- KEYS: what is wanted, the watched. ARGV: how many those are. Returns what each is.
function answers.read(moment, key, at)
  local count, found = tonumber(ARGV[at]), {}
  for place = 0, count - 1 do found[place + 1] = redis.call('GET', KEYS[key + place]) or '-' end
  return table.concat(found, ' '), key + count + 1, at + 1
end
