-- richards.lua - the kernel of an operating system in miniature, after Martin Richards.
-- Six tasks of different priorities pass packets to each other under a scheduler.
-- The known answer of one run: 23246 packets queued, 9297 tasks put on hold.

local IDLE, WORKER, HANDLER_A, HANDLER_B, DEVICE_A, DEVICE_B = 1, 2, 3, 4, 5, 6
local DEVICE_KIND, WORK_KIND = 1, 2

local Packet = {}
Packet.__index = Packet

function Packet.new(link, identity, kind)
  return setmetatable({
    link = link, identity = identity, kind = kind, datum = 1, data = { 0, 0, 0, 0 },
  }, Packet)
end

-- Puts the packet at the end of queue (a packet or nil); answers the queue's first packet.
function Packet:appendTo(queue)
  self.link = nil
  if queue == nil then return self end
  local tail = queue
  while tail.link ~= nil do tail = tail.link end
  tail.link = self
  return queue
end

local Task = {}
Task.__index = Task

local function initTask(self, scheduler, identity, priority, queue)
  self.scheduler = scheduler
  self.link = nil
  self.identity = identity
  self.priority = priority
  self.queue = queue
  self.packetPending = queue ~= nil
  self.waiting = true
  self.held = false
  return self
end

local function subclass()
  local class = setmetatable({}, { __index = Task })
  class.__index = class
  function class.new(...)
    return initTask(setmetatable({}, class), ...)
  end
  return class
end

function Task:beRunning()
  self.packetPending = false
  self.waiting = false
  self.held = false
end

function Task:beWaiting() self.waiting = true end
function Task:beHeld() self.held = true end
function Task:beReleased() self.held = false end

function Task:isHeldOrWaiting()
  return self.held or (not self.packetPending and self.waiting)
end

function Task:resumeWork()
  local packet
  if self.packetPending and self.waiting and not self.held then
    packet = self.queue
    self.queue = packet.link
    self:beRunning()
    if self.queue ~= nil then self.packetPending = true end
  end
  return self:run(packet)
end

function Task:accept(packet, current)
  if self.queue == nil then
    self.queue = packet
    self.packetPending = true
    if self.priority > current.priority then return self end
  else
    packet:appendTo(self.queue)
  end
  return current
end

local IdleTask = subclass()

function IdleTask:run(_)
  self.count = self.count - 1
  if self.count == 0 then return self.scheduler:holdCurrent() end
  if self.control & 1 == 0 then
    self.control = self.control // 2
    return self.scheduler:release(DEVICE_A)
  end
  self.control = self.control // 2 ~ 53256
  return self.scheduler:release(DEVICE_B)
end

local WorkerTask = subclass()

function WorkerTask:run(packet)
  if packet == nil then return self.scheduler:waitCurrent() end
  self.destination = self.destination == HANDLER_A and HANDLER_B or HANDLER_A
  packet.identity = self.destination
  packet.datum = 1
  for i = 1, 4 do
    self.count = self.count + 1
    if self.count > 26 then self.count = 1 end
    packet.data[i] = 64 + self.count
  end
  return self.scheduler:queue(packet)
end

local HandlerTask = subclass()

function HandlerTask:run(packet)
  if packet ~= nil then
    if packet.kind == WORK_KIND then
      self.workPackets = packet:appendTo(self.workPackets)
    else
      self.devicePackets = packet:appendTo(self.devicePackets)
    end
  end
  local work = self.workPackets
  if work == nil then return self.scheduler:waitCurrent() end
  local count = work.datum
  if count > 4 then
    self.workPackets = work.link
    return self.scheduler:queue(work)
  end
  local device = self.devicePackets
  if device == nil then return self.scheduler:waitCurrent() end
  self.devicePackets = device.link
  device.datum = work.data[count]
  work.datum = count + 1
  return self.scheduler:queue(device)
end

local DeviceTask = subclass()

function DeviceTask:run(packet)
  if packet ~= nil then
    self.pending = packet
    return self.scheduler:holdCurrent()
  end
  local done = self.pending
  if done == nil then return self.scheduler:waitCurrent() end
  self.pending = nil
  return self.scheduler:queue(done)
end

local Scheduler = {}
Scheduler.__index = Scheduler

function Scheduler.new()
  return setmetatable({ taskTable = {}, queueCount = 0, holdCount = 0 }, Scheduler)
end

function Scheduler:add(task)
  task.link = self.taskList
  self.taskList = task
  self.taskTable[task.identity] = task
end

function Scheduler:schedule()
  self.current = self.taskList
  while self.current ~= nil do
    local current = self.current
    if current:isHeldOrWaiting() then
      self.current = current.link
    else
      self.currentIdentity = current.identity
      self.current = current:resumeWork()
    end
  end
end

function Scheduler:holdCurrent()
  self.holdCount = self.holdCount + 1
  self.current:beHeld()
  return self.current.link
end

function Scheduler:waitCurrent()
  self.current:beWaiting()
  return self.current
end

function Scheduler:release(identity)
  local task = self.taskTable[identity]
  if task == nil then error("no such task") end
  task:beReleased()
  if task.priority > self.current.priority then return task end
  return self.current
end

function Scheduler:queue(packet)
  local task = self.taskTable[packet.identity]
  if task == nil then error("no such task") end
  self.queueCount = self.queueCount + 1
  packet.link = nil
  packet.identity = self.currentIdentity
  return task:accept(packet, self.current)
end

local Richards = {}
Richards.__index = Richards

function Richards.new()
  return setmetatable({}, Richards)
end

function Richards:packets(count, identity)
  local chain
  for _ = 1, count do chain = Packet.new(chain, identity, DEVICE_KIND) end
  return chain
end

function Richards:once()
  local scheduler = Scheduler.new()
  local idle = IdleTask.new(scheduler, IDLE, 0, nil)
  idle.control = 1
  idle.count = 10000
  idle:beRunning()
  scheduler:add(idle)

  local work = Packet.new(nil, WORKER, WORK_KIND)
  work = Packet.new(work, WORKER, WORK_KIND)
  local worker = WorkerTask.new(scheduler, WORKER, 1000, work)
  worker.destination = HANDLER_A
  worker.count = 0
  scheduler:add(worker)

  scheduler:add(HandlerTask.new(scheduler, HANDLER_A, 2000, self:packets(3, DEVICE_A)))
  scheduler:add(HandlerTask.new(scheduler, HANDLER_B, 3000, self:packets(3, DEVICE_B)))
  scheduler:add(DeviceTask.new(scheduler, DEVICE_A, 4000, nil))
  scheduler:add(DeviceTask.new(scheduler, DEVICE_B, 5000, nil))

  scheduler:schedule()
  return scheduler.queueCount * 100000 + scheduler.holdCount
end

function Richards:run(rounds)
  local answer
  for _ = 1, rounds do
    answer = self:once()
    if answer ~= 2324609297 then error("wrong counts: " .. answer) end
  end
  return answer
end

local start = os.clock()
local answer = Richards.new():run(20)
print(string.format("richards %d %.6f", answer, os.clock() - start))
