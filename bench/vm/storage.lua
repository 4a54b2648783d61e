-- storage.lua - builds trees of tables and drops them: work for the collector.

local Random = {}
Random.__index = Random

function Random.new()
  return setmetatable({ seed = 74755 }, Random)
end

function Random:next()
  self.seed = (self.seed * 1309 + 13849) & 65535
  return self.seed
end

local Storage = {}
Storage.__index = Storage

function Storage.new()
  return setmetatable({}, Storage)
end

function Storage:buildTree(depth, random)
  self.count = self.count + 1
  if depth == 1 then
    local leaf = {}
    for i = 1, random:next() % 10 + 1 do leaf[i] = 0 end
    return leaf
  end
  local node = { false, false, false, false }
  for i = 1, 4 do node[i] = self:buildTree(depth - 1, random) end
  return node
end

function Storage:run(rounds)
  self.count = 0
  local random = Random.new()
  for _ = 1, rounds do self:buildTree(7, random) end
  return self.count
end

local start = os.clock()
local answer = Storage.new():run(250)
print(string.format("storage %d %.6f", answer, os.clock() - start))
