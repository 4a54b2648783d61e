-- sieve.lua - the sieve of Eratosthenes over a table of booleans.

local Sieve = {}
Sieve.__index = Sieve

function Sieve.new()
  return setmetatable({}, Sieve)
end

function Sieve:primesUpTo(size)
  local flags = {}
  for i = 1, size do flags[i] = true end
  local count = 0
  for i = 2, size do
    if flags[i] then
      count = count + 1
      local k = i + i
      while k <= size do
        flags[k] = false
        k = k + i
      end
    end
  end
  return count
end

function Sieve:run(rounds, size)
  local sum = 0
  for _ = 1, rounds do sum = sum + self:primesUpTo(size) end
  return sum
end

local start = os.clock()
local answer = Sieve.new():run(600, 20000)
print(string.format("sieve %d %.6f", answer, os.clock() - start))
