-- A limit: what was used of it goes in, units to lease come out. router/shared/limit_table.py is the same in Python.
--
-- KEYS: the limit. ARGV: amount, period, cap, want, charge, left (-1: not said), and pairs of (seconds ago, units) after
-- their number. Returns units, how far it is used up, and the seconds until there is one unit.
local SLOTS = 30 -- parts of a period; the running one is counted besides, so that the ring never covers too little
local FORMAT = '>dd' .. string.rep('f', SLOTS + 1) -- the bucket's arrival time, the newest slot, units in each slot

function answers.limit(moment, key, at)
  local now = moment.now
  local amount, period, cap = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local want, charge, left = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  local used = tonumber(ARGV[at + 6])
  at = at + 7
  local rate, length = amount / period, period / SLOTS
  local newest = math.floor(now / length)

  local arrival, slot, ring = 0, newest, {}
  local packed = redis.call('GET', KEYS[key])
  if packed then
    local fields = {struct.unpack(FORMAT, packed)}
    arrival, slot = fields[1], fields[2]
    newest = math.max(newest, slot)
    for place = 1, SLOTS + 1 do ring[place] = fields[place + 2] end
    for gone = slot + 1, math.min(newest, slot + SLOTS + 1) do ring[gone % (SLOTS + 1) + 1] = 0 end
  else
    for place = 1, SLOTS + 1 do ring[place] = 0 end
    if moment.lost then arrival = now + cap / rate end -- else all that was lost could be had again at once
  end

  arrival = math.max(arrival, now)
  if not moment.anew then
    arrival = math.max(arrival + charge / rate, now)
    for pair = 0, used - 1 do
      local its = math.floor((now - tonumber(ARGV[at + 2 * pair])) / length)
      if its >= newest - SLOTS and its <= newest then
        local place = its % (SLOTS + 1) + 1
        ring[place] = ring[place] + tonumber(ARGV[at + 2 * pair + 1])
      end
    end
  end
  if left >= 0 then arrival = math.max(arrival, now + math.max(0, cap - left) / rate) end
  if cap >= amount then arrival = now end -- a rate that is not smoothed: the ring alone says what is left

  local sum = 0
  for place = 1, SLOTS + 1 do sum = sum + ring[place] end
  local bucket = cap - (arrival - now) * rate
  local got = math.max(0, math.min(want, math.floor(math.min(bucket, amount - sum) + 0.001))) -- but for rounding

  local wait = 0
  if got == 0 then
    wait = math.max(0, (1 - bucket) / rate)
    local over = sum - (amount - 1)
    local oldest = newest - SLOTS
    while over > 0 and oldest <= newest do
      over = over - ring[oldest % (SLOTS + 1) + 1]
      oldest = oldest + 1
      wait = math.max(wait, (oldest + SLOTS) * length - now)
    end
  end

  arrival = arrival + got / rate
  local place = newest % (SLOTS + 1) + 1
  ring[place] = ring[place] + got
  redis.call('SET', KEYS[key], struct.pack(FORMAT, arrival, newest, unpack(ring)), 'EX', math.ceil(2 * period) + 10)
  local fill = math.max(0, math.min(1, math.max((sum + got) / amount, 1 - (bucket - got) / cap)))
  return string.format('%d %.4f %.6f', got, fill, wait), key + 1, at + 2 * used
end
