-- bounce.lua - balls in a box: small objects whose fields change all the time.

local abs = math.abs

local Random = {}
Random.__index = Random

function Random.new()
  return setmetatable({ seed = 74755 }, Random)
end

function Random:next()
  self.seed = (self.seed * 1309 + 13849) & 65535
  return self.seed
end

local Ball = {}
Ball.__index = Ball

function Ball.new(random)
  local x = random:next() % 500
  local y = random:next() % 500
  local xSpeed = random:next() % 300 - 150
  local ySpeed = random:next() % 300 - 150
  return setmetatable({ x = x, y = y, xSpeed = xSpeed, ySpeed = ySpeed }, Ball)
end

function Ball:bounce()
  local hit = false
  self.x = self.x + self.xSpeed
  self.y = self.y + self.ySpeed
  if self.x > 500 then self.x = 500; self.xSpeed = 0 - abs(self.xSpeed); hit = true end
  if self.x < 0 then self.x = 0; self.xSpeed = abs(self.xSpeed); hit = true end
  if self.y > 500 then self.y = 500; self.ySpeed = 0 - abs(self.ySpeed); hit = true end
  if self.y < 0 then self.y = 0; self.ySpeed = abs(self.ySpeed); hit = true end
  return hit
end

local Bounce = {}
Bounce.__index = Bounce

function Bounce.new()
  return setmetatable({}, Bounce)
end

function Bounce:once()
  local random = Random.new()
  local balls = {}
  for i = 1, 100 do balls[i] = Ball.new(random) end
  local bounces = 0
  for _ = 1, 50 do
    for i = 1, #balls do
      if balls[i]:bounce() then bounces = bounces + 1 end
    end
  end
  return bounces
end

function Bounce:run(rounds)
  local sum = 0
  for _ = 1, rounds do sum = sum + self:once() end
  return sum
end

local start = os.clock()
local answer = Bounce.new():run(1000)
print(string.format("bounce %d %.6f", answer, os.clock() - start))
