-- tak.lua - Takeuchi's function: four method calls per level, little arithmetic.

local Tak = {}
Tak.__index = Tak

function Tak.new()
  return setmetatable({}, Tak)
end

function Tak:tak(x, y, z)
  if not (y < x) then return z end
  return self:tak(self:tak(x - 1, y, z), self:tak(y - 1, z, x), self:tak(z - 1, x, y))
end

function Tak:run(rounds)
  local sum = 0
  for _ = 1, rounds do sum = sum + self:tak(18, 12, 6) end
  return sum
end

local start = os.clock()
local answer = Tak.new():run(280)
print(string.format("tak %d %.6f", answer, os.clock() - start))
