-- factorial.lua - the factorial of 1000 as a running product of big integers.
-- Lua has none, so a number is a table of limbs in base 10^12, the lowest first: the largest
-- power of ten for which a limb times a factor below 2^20 still fits an integer.

local BASE, DIGITS = 1000000000000, 12

local Big = {}
Big.__index = Big

function Big.new(n)
  return setmetatable({ n }, Big)
end

-- Answers a new number: the receiver times the small integer k.
function Big:times(k)
  local product, carry = {}, 0
  for i = 1, #self do
    local limb = self[i] * k + carry
    carry = limb // BASE
    product[i] = limb - carry * BASE
  end
  if carry > 0 then product[#self + 1] = carry end
  return setmetatable(product, Big)
end

function Big:toString()
  local parts = { tostring(self[#self]) }
  for i = #self - 1, 1, -1 do
    parts[#parts + 1] = string.format("%0" .. DIGITS .. "d", self[i])
  end
  return table.concat(parts)
end

local Factorial = {}
Factorial.__index = Factorial

function Factorial.new()
  return setmetatable({}, Factorial)
end

function Factorial:product(n)
  local result = Big.new(1)
  for i = 2, n do result = result:times(i) end
  return result
end

function Factorial:run(rounds, n)
  local result
  for _ = 1, rounds do result = self:product(n) end
  local digits = result:toString()
  local sum = 0
  for i = 1, #digits do sum = sum + digits:byte(i) - 48 end
  return sum * 10000 + #digits
end

local start = os.clock()
local answer = Factorial.new():run(150, 1000)
print(string.format("factorial %d %.6f", answer, os.clock() - start))
