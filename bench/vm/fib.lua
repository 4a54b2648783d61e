-- fib.lua - the doubly recursive Fibonacci numbers, every step a method call.

local Fib = {}
Fib.__index = Fib

function Fib.new()
  return setmetatable({}, Fib)
end

function Fib:fib(n)
  if n < 2 then return n end
  return self:fib(n - 1) + self:fib(n - 2)
end

function Fib:run(rounds, n)
  local sum = 0
  for _ = 1, rounds do sum = sum + self:fib(n) end
  return sum
end

local start = os.clock()
local answer = Fib.new():run(2, 32)
print(string.format("fib %d %.6f", answer, os.clock() - start))
