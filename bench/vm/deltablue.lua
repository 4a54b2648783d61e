-- deltablue.lua - an incremental solver for one-way constraint hierarchies (DeltaBlue, by
-- Freeman-Benson, Maloney and Borning), on a chain of equalities and a set of projections.

-- The strengths of constraints: the smaller the number, the stronger.
local REQUIRED, PREFERRED, STRONG_DEFAULT, NORMAL, WEAKEST = 0, 2, 3, 4, 6

local function class(super)
  local c = super and setmetatable({}, { __index = super }) or {}
  c.__index = c
  return c
end

local Variable = class()

function Variable.new(value)
  return setmetatable({
    value = value, constraints = {}, determinedBy = nil, mark = 0,
    walkStrength = WEAKEST, stay = true,
  }, Variable)
end

function Variable:addConstraint(constraint)
  local list = self.constraints
  list[#list + 1] = constraint
end

function Variable:removeConstraint(constraint)
  local list = self.constraints
  for i = 1, #list do
    if list[i] == constraint then
      table.remove(list, i)
      break
    end
  end
  if self.determinedBy == constraint then self.determinedBy = nil end
end

local Constraint = class()

function Constraint:isInput() return false end

function Constraint:addTo(planner)
  self:addToGraph()
  planner:incrementalAdd(self)
end

function Constraint:removeFrom(planner)
  if self:isSatisfied() then
    planner:incrementalRemove(self)
  else
    self:removeFromGraph()
  end
end

-- Tries to enforce the constraint; answers the one it displaced, or nil.
function Constraint:satisfy(mark, planner)
  self:chooseMethod(mark)
  if not self:isSatisfied() then
    if self.strength == REQUIRED then error("a required constraint can not be satisfied") end
    return nil
  end
  self:markInputs(mark)
  local out = self:output()
  local displaced = out.determinedBy
  if displaced ~= nil then displaced:beUnsatisfied() end
  out.determinedBy = self
  if not planner:propagateFrom(self, mark) then error("the constraints form a cycle") end
  out.mark = mark
  return displaced
end

local Unary = class(Constraint)

local function newUnary(kind, variable, strength, planner)
  local self = setmetatable({ out = variable, strength = strength, satisfied = false }, kind)
  self:addTo(planner)
  return self
end

function Unary:output() return self.out end
function Unary:isSatisfied() return self.satisfied end
function Unary:beUnsatisfied() self.satisfied = false end

function Unary:addToGraph()
  self.out:addConstraint(self)
  self.satisfied = false
end

function Unary:removeFromGraph()
  self.out:removeConstraint(self)
  self.satisfied = false
end

function Unary:chooseMethod(mark)
  self.satisfied = self.out.mark ~= mark and self.strength < self.out.walkStrength
end

function Unary:markInputs(_) end
function Unary:inputsKnown(_) return true end
function Unary:execute() end

function Unary:recalculate()
  self.out.walkStrength = self.strength
  self.out.stay = not self:isInput()
  if self.out.stay then self:execute() end
end

local Stay = class(Unary)
local Edit = class(Unary)

function Edit:isInput() return true end

local Binary = class(Constraint)

function Binary:isForward() return self.direction == "forward" end

function Binary:input()
  if self.direction == "forward" then return self.first end
  return self.second
end

function Binary:output()
  if self.direction == "forward" then return self.second end
  return self.first
end

function Binary:isSatisfied() return self.direction ~= nil end
function Binary:beUnsatisfied() self.direction = nil end

function Binary:addToGraph()
  self.first:addConstraint(self)
  self.second:addConstraint(self)
  self.direction = nil
end

function Binary:removeFromGraph()
  self.first:removeConstraint(self)
  self.second:removeConstraint(self)
  self.direction = nil
end

-- Enforces towards the weaker side, if stronger than what holds there.
function Binary:chooseMethod(mark)
  local first, second, strength = self.first, self.second, self.strength
  if first.mark == mark then
    self.direction = second.mark ~= mark and strength < second.walkStrength and "forward" or nil
  elseif second.mark == mark then
    self.direction = strength < first.walkStrength and "backward" or nil
  elseif first.walkStrength > second.walkStrength then
    self.direction = strength < first.walkStrength and "backward" or nil
  else
    self.direction = strength < second.walkStrength and "forward" or nil
  end
end

function Binary:markInputs(mark) self:input().mark = mark end

function Binary:inputsKnown(mark)
  local input = self:input()
  return input.mark == mark or input.stay or input.determinedBy == nil
end

function Binary:recalculate()
  local input, out = self:input(), self:output()
  out.walkStrength = math.max(self.strength, input.walkStrength)
  out.stay = self:inputsStay()
  if out.stay then self:execute() end
end

function Binary:inputsStay() return self:input().stay end

local Equal = class(Binary)

function Equal.new(first, second, strength, planner)
  local self = setmetatable({ first = first, second = second, strength = strength }, Equal)
  self:addTo(planner)
  return self
end

function Equal:execute() self:output().value = self:input().value end

local Scale = class(Binary)

function Scale.new(source, scale, offset, target, strength, planner)
  local self = setmetatable({
    first = source, second = target, scale = scale, offset = offset, strength = strength,
  }, Scale)
  self:addTo(planner)
  return self
end

function Scale:addToGraph()
  Binary.addToGraph(self)
  self.scale:addConstraint(self)
  self.offset:addConstraint(self)
end

function Scale:removeFromGraph()
  Binary.removeFromGraph(self)
  self.scale:removeConstraint(self)
  self.offset:removeConstraint(self)
end

function Scale:markInputs(mark)
  Binary.markInputs(self, mark)
  self.scale.mark = mark
  self.offset.mark = mark
end

function Scale:inputsStay()
  return self:input().stay and self.scale.stay and self.offset.stay
end

function Scale:execute()
  if self:isForward() then
    self.second.value = self.first.value * self.scale.value + self.offset.value
  else
    self.first.value = (self.second.value - self.offset.value) // self.scale.value
  end
end

local Plan = class()

function Plan.new() return setmetatable({ steps = {} }, Plan) end

function Plan:add(constraint)
  self.steps[#self.steps + 1] = constraint
end

function Plan:execute()
  local steps = self.steps
  for i = 1, #steps do steps[i]:execute() end
end

local Planner = class()

function Planner.new() return setmetatable({ lastMark = 0 }, Planner) end

function Planner:newMark()
  self.lastMark = self.lastMark + 1
  return self.lastMark
end

-- Satisfies the constraint and, in turn, every weaker one that loses its variable.
function Planner:incrementalAdd(constraint)
  local mark = self:newMark()
  local displaced = constraint:satisfy(mark, self)
  while displaced ~= nil do displaced = displaced:satisfy(mark, self) end
end

-- Retracts the constraint and gives those a chance that were too weak before.
function Planner:incrementalRemove(constraint)
  local out = constraint:output()
  constraint:beUnsatisfied()
  constraint:removeFromGraph()
  local unsatisfied = self:unsatisfiedDownstreamOf(out)
  for strength = REQUIRED, WEAKEST do
    for _, each in ipairs(unsatisfied) do
      if each.strength == strength then self:incrementalAdd(each) end
    end
  end
end

-- Frees out and what follows from it; answers the constraints found unsatisfied.
function Planner:unsatisfiedDownstreamOf(out)
  local unsatisfied = {}
  out.determinedBy = nil
  out.walkStrength = WEAKEST
  out.stay = true
  local todo = { out }
  while #todo > 0 do
    local variable = table.remove(todo)
    local determining = variable.determinedBy
    local constraints = variable.constraints
    for i = 1, #constraints do
      local each = constraints[i]
      if not each:isSatisfied() then
        unsatisfied[#unsatisfied + 1] = each
      elseif each ~= determining then
        each:recalculate()
        todo[#todo + 1] = each:output()
      end
    end
  end
  return unsatisfied
end

-- Recalculates all that follows from the constraint; false when it follows from itself.
function Planner:propagateFrom(constraint, mark)
  local todo = { constraint }
  while #todo > 0 do
    local following = table.remove(todo)
    if following:output().mark == mark then
      self:incrementalRemove(constraint)
      return false
    end
    following:recalculate()
    self:addConsumers(following:output(), todo)
  end
  return true
end

-- Adds to list the satisfied constraints that use the variable as an input.
function Planner:addConsumers(variable, list)
  local determining = variable.determinedBy
  local constraints = variable.constraints
  for i = 1, #constraints do
    local each = constraints[i]
    if each ~= determining and each:isSatisfied() then list[#list + 1] = each end
  end
end

-- The plan that follows changes made by the edits.
function Planner:planFor(edits)
  local sources = {}
  for _, each in ipairs(edits) do
    if each:isInput() and each:isSatisfied() then sources[#sources + 1] = each end
  end
  return self:planFrom(sources)
end

function Planner:planFrom(todo)
  local mark = self:newMark()
  local plan = Plan.new()
  while #todo > 0 do
    local following = table.remove(todo)
    if following:output().mark ~= mark and following:inputsKnown(mark) then
      plan:add(following)
      following:output().mark = mark
      self:addConsumers(following:output(), todo)
    end
  end
  return plan
end

local DeltaBlue = class()

function DeltaBlue.new() return setmetatable({}, DeltaBlue) end

-- A change at one end of a long chain of equalities must show at the other end.
function DeltaBlue:chain(size)
  local planner, variables = Planner.new(), {}
  for i = 1, size + 1 do variables[i] = Variable.new(0) end
  for i = 1, size do Equal.new(variables[i], variables[i + 1], REQUIRED, planner) end
  local first, last = variables[1], variables[size + 1]
  newUnary(Stay, last, STRONG_DEFAULT, planner)
  local edit = newUnary(Edit, first, PREFERRED, planner)
  local plan = planner:planFor({ edit })
  local sum = 0
  for i = 1, 100 do
    first.value = i
    plan:execute()
    if last.value ~= i then error("the chain did not pass the value on") end
    sum = sum + last.value
  end
  edit:removeFrom(planner)
  return sum
end

-- Many pairs of variables that share one scale and one offset.
function DeltaBlue:project(size)
  local planner = Planner.new()
  local scale, offset = Variable.new(10), Variable.new(1000)
  local source, target
  local targets = {}
  for i = 1, size do
    source = Variable.new(i)
    target = Variable.new(i)
    targets[#targets + 1] = target
    newUnary(Stay, source, NORMAL, planner)
    Scale.new(source, scale, offset, target, REQUIRED, planner)
  end
  self:change(source, 17, planner)
  if target.value ~= 1170 then error("projection 1 failed") end
  self:change(target, 1050, planner)
  if source.value ~= 5 then error("projection 2 failed") end
  self:change(scale, 5, planner)
  for i = 1, size - 1 do
    if targets[i].value ~= i * 5 + 1000 then error("projection 3 failed") end
  end
  self:change(offset, 2000, planner)
  local sum = 0
  for i = 1, size - 1 do
    if targets[i].value ~= i * 5 + 2000 then error("projection 4 failed") end
    sum = sum + targets[i].value
  end
  return sum
end

function DeltaBlue:change(variable, value, planner)
  local edit = newUnary(Edit, variable, PREFERRED, planner)
  local plan = planner:planFor({ edit })
  for _ = 1, 10 do
    variable.value = value
    plan:execute()
  end
  edit:removeFrom(planner)
end

function DeltaBlue:run(size)
  return self:chain(size) + self:project(size)
end

local start = os.clock()
local answer = DeltaBlue.new():run(10000)
print(string.format("deltablue %d %.6f", answer, os.clock() - start))
