import test from 'ava'
import { type Engine, type Millis, millis, NEVER } from '../../../src/core/base/index.ts'
import { Loop, type LoopHost, now, type Tick } from '../../../src/shell/clock/index.ts'

/** A runtime whose time moves only when told: turns run one by one, timers in order. */
class Host implements LoopHost {
  time = 0
  turns: (() => void)[] = []
  timers: { at: number; run: () => void }[] = []

  now(): Millis {
    return millis(this.time)
  }

  soon(run: () => void): void {
    this.turns.push(run)
  }

  later(run: () => void, delay: Millis): () => void {
    if (!Number.isFinite(delay)) throw new Error('a timer of the runtime was asked for no time')
    const timer = { at: this.time + delay, run }
    this.timers.push(timer)
    return () => {
      this.timers = this.timers.filter(other => other !== timer)
    }
  }

  turn(): void {
    this.turns.shift()?.()
  }

  /** Runs turns and timers up to `time`. */
  runTo(time: number): void {
    for (;;) {
      while (this.turns.length > 0) this.turn()
      this.timers.sort((a, b) => a.at - b.at)
      const next = this.timers[0]
      if (next === undefined || next.at > time) break
      this.timers.shift()
      this.time = next.at
      next.run()
    }
    this.time = time
  }
}

/** Writes down what is asked of it. `rows` is the table work that is waiting. */
class Scribe implements Engine<{ type: 'Event' } | Tick> {
  readonly lines: string[] = []
  rows = 0
  due: number = NEVER
  onTick: (now: Millis) => void = () => {}

  handle(event: { type: 'Event' } | Tick, time: Millis): void {
    this.lines.push(`${event.type} ${time}`)
    if (event.type === 'Tick') this.onTick(time)
  }

  work(budget: number): boolean {
    const done = Math.min(budget, this.rows)
    this.rows -= done
    if (done > 0) this.lines.push(`work ${done}`)
    return this.rows > 0
  }

  deadline(): Millis {
    return millis(this.due)
  }
}

function make(): { host: Host; engine: Scribe; loop: Loop<{ type: 'Event' }> } {
  const host = new Host()
  const engine = new Scribe()
  return { host, engine, loop: new Loop(engine, { budget: 10, sleepMax: millis(1000), host }) }
}

test('an event is handled at once and table work waits for pending I/O', t => {
  const { host, engine, loop } = make()
  engine.rows = 5
  loop.deliver({ type: 'Event' })
  loop.deliver({ type: 'Event' })
  t.deepEqual(engine.lines, ['Event 0', 'Event 0'])
  host.turn()
  t.deepEqual(engine.lines.slice(2), ['work 5'])
  t.is(host.turns.length, 0)
})

test('work is done in slices and an event comes between two slices', t => {
  const { host, engine, loop } = make()
  engine.rows = 25
  loop.deliver({ type: 'Event' })
  host.turn()
  loop.deliver({ type: 'Event' })
  host.runTo(0)
  t.deepEqual(engine.lines, ['Event 0', 'work 10', 'Event 0', 'work 10', 'work 5'])
})

test('a timer that falls due while work is waiting is served before the next slice', t => {
  const { host, engine, loop } = make()
  engine.rows = 30
  engine.due = 7
  engine.onTick = () => {
    engine.due = NEVER
  }
  loop.deliver({ type: 'Event' })
  host.turn()
  host.time = 8
  host.turn()
  t.deepEqual(engine.lines, ['Event 0', 'work 10', 'Tick 8', 'work 10'])
})

test('the loop sleeps to the deadline and ticks then', t => {
  const { host, engine, loop } = make()
  engine.due = 300.5
  engine.onTick = time => {
    engine.due = time + 100
  }
  loop.deliver({ type: 'Event' })
  host.runTo(450)
  t.deepEqual(engine.lines, ['Event 0', 'Tick 301', 'Tick 401'])
})

test('a deadline that moves nearer wakes the loop earlier', t => {
  const { host, engine, loop } = make()
  engine.due = 900
  loop.deliver({ type: 'Event' })
  host.runTo(100)
  engine.due = 200
  engine.onTick = () => {
    engine.due = NEVER
  }
  loop.deliver({ type: 'Event' })
  host.runTo(2000)
  t.deepEqual(engine.lines, ['Event 0', 'Event 100', 'Tick 200'])
})

test('a deadline that moves away costs one look and no tick', t => {
  const { host, engine, loop } = make()
  engine.due = 200
  loop.deliver({ type: 'Event' })
  host.runTo(100)
  engine.due = 900
  loop.deliver({ type: 'Event' })
  host.runTo(899)
  t.deepEqual(engine.lines, ['Event 0', 'Event 100'])
})

test('what came while the process was stopped is heard before a timer that came due', t => {
  const { host, engine, loop } = make()
  engine.due = 100
  engine.onTick = () => {
    engine.due = NEVER
  }
  loop.deliver({ type: 'Event' })
  host.turn()
  // stopped for longer than the timer: the runtime runs it first, then reads its sockets
  host.time = 500
  host.timers.shift()?.run()
  loop.deliver({ type: 'Event' })
  host.runTo(500)
  t.deepEqual(engine.lines, ['Event 0', 'Event 500', 'Tick 500'])
})

test('an engine without a timer never asks the runtime for an endless timer', t => {
  const { host, engine, loop } = make()
  loop.deliver({ type: 'Event' })
  host.runTo(0)
  t.is(host.timers[0]?.at, 1000)
  t.deepEqual(engine.lines, ['Event 0'])
})

test('nothing reaches the engine after close', t => {
  const { host, engine, loop } = make()
  engine.rows = 30
  engine.due = 5
  loop.deliver({ type: 'Event' })
  loop.close()
  loop.deliver({ type: 'Event' })
  host.runTo(5000)
  t.deepEqual(engine.lines, ['Event 0'])
})

test('on the runtime an event leads to work and to a tick', async t => {
  const engine = new Scribe()
  const loop = new Loop(engine)
  engine.rows = 1
  engine.due = now() + 5
  const ticked = new Promise<void>(resolve => {
    engine.onTick = () => {
      engine.due = NEVER
      resolve()
    }
  })
  loop.deliver({ type: 'Event' })
  await ticked
  loop.close()
  const [first, ...rest] = engine.lines.map(line => line.split(' ')[0])
  t.is(first, 'Event')
  // on a busy machine the tick is due before the turn for work comes
  t.deepEqual(rest.toSorted(), ['Tick', 'work'])
})
