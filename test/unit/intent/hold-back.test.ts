/** A store that suddenly holds nothing, against an operator who deletes: every line of the definition. */
import test from 'ava'
import { millis } from '../../../src/core/base/index.ts'
import { type Entry, HoldBack, type Judgement } from '../../../src/core/intent/index.ts'

const ROOT = '/calico/resources/v3/projectcalico.org/'
const entry = (key: string, value: object = {}, revision = 1): Entry => ({
  key: `${ROOT}${key}`,
  value: JSON.stringify(value),
  revision,
})

const OWN = entry('nodes/a')
const OTHER = entry('nodes/b')
const THIRD = entry('nodes/c')
const PEER = entry('bgppeers/tor', { spec: { peerIP: '10.0.0.9' } })
const OWN_PEER = entry('bgppeers/mine', { spec: { node: 'a' } })
const POOL = entry('ippools/pods')
const BLOCK = { ...entry(''), key: '/calico/ipam/v2/host/a/ipv4/block/10.0.0.0-26' }
const ready = (datastoreReady: boolean): Entry =>
  entry('clusterinformations/default', { spec: { datastoreReady } })

/** A store and the hold-back that looks at it. */
class Scene {
  readonly holdBack: HoldBack
  #now = 1_000_000
  #revision = 10

  constructor(inForce: readonly Entry[] = []) {
    this.holdBack = new HoldBack('a', inForce)
  }

  /** What the store says at once, `how` it was heard. */
  says(how: 'listed' | 'seen', entries: readonly Entry[], accepted?: number): Judgement {
    this.#revision += 1
    return this.#judge(entries, how === 'listed', accepted)
  }

  /** Time passes, and it is asked again. */
  later(ms: number, entries: readonly Entry[]): Judgement {
    this.#now += ms
    return this.#judge(entries, false)
  }

  get revision(): number {
    return this.#revision
  }

  #judge(entries: readonly Entry[], listed: boolean, accepted?: number): Judgement {
    const view = { entries: new Map(entries.map(one => [one.key, one])), listed }
    const more = { revision: this.#revision, ...(accepted !== undefined && { accepted }) }
    return this.holdBack.judge({ ...view, ...more }, millis(this.#now))
  }
}

function followed(entries: readonly Entry[]): Scene {
  const scene = new Scene()
  scene.says('listed', entries)
  return scene
}

interface Case {
  readonly title: string
  readonly before: readonly Entry[]
  readonly after: readonly Entry[]
  readonly how: 'listed' | 'seen'
  /** what is done in the end, with nothing more said */
  readonly end: 'follow' | 'hold'
  /** by when, where it is not at once */
  readonly within?: number
}

const ALL = [OWN, OTHER, PEER, POOL]
const CASES: readonly Case[] = [
  { title: 'everything is gone in a list', before: ALL, after: [], how: 'listed', end: 'hold' },
  { title: 'everything is gone at once', before: ALL, after: [], how: 'seen', end: 'hold' },
  { title: 'a lone Node is gone in a list', before: [OWN], after: [], how: 'listed', end: 'hold' },
  {
    title: 'a lone Node is deleted before our eyes',
    before: [OWN],
    after: [],
    how: 'seen',
    end: 'follow',
    within: 1000,
  },
  {
    title: 'this Node is deleted and others stay',
    before: ALL,
    after: [OTHER, PEER, POOL],
    how: 'seen',
    end: 'follow',
    within: 1000,
  },
  {
    title: 'this Node was deleted while nobody watched, and others stay',
    before: ALL,
    after: [OTHER, PEER, POOL],
    how: 'listed',
    end: 'follow',
  },
  {
    title: 'this Node and every peer and pool are gone in a list, other Nodes stay',
    before: ALL,
    after: [OTHER],
    how: 'listed',
    end: 'hold',
  },
  {
    title: 'this Node and every peer and pool are deleted before our eyes, other Nodes stay',
    before: ALL,
    after: [OTHER],
    how: 'seen',
    end: 'follow',
    within: 1000,
  },
  {
    title: 'every Node is deleted at once, peers and pools stay',
    before: ALL,
    after: [PEER, POOL],
    how: 'seen',
    end: 'hold',
  },
  {
    title: 'a node is deleted with its own peers, and it is the only one',
    before: [OWN, OWN_PEER, POOL],
    after: [POOL],
    how: 'seen',
    end: 'follow',
    within: 1000,
  },
  {
    title: 'new Nodes in a new store do not stand for the old ones',
    before: ALL,
    after: [THIRD],
    how: 'listed',
    end: 'hold',
  },
  {
    title: 'another Node is deleted',
    before: ALL,
    after: [OWN, PEER, POOL],
    how: 'seen',
    end: 'follow',
  },
  {
    title: 'all others are gone in a list, this Node stays',
    before: ALL,
    after: [OWN],
    how: 'listed',
    end: 'follow',
  },
  {
    title: 'all others are deleted at once, this Node stays',
    before: ALL,
    after: [OWN],
    how: 'seen',
    end: 'follow',
    within: 250,
  },
  {
    title: 'blocks of this node go first',
    before: [...ALL, BLOCK],
    after: ALL,
    how: 'seen',
    end: 'follow',
    within: 250,
  },
  {
    title: 'this node had no Node',
    before: [OTHER, PEER],
    after: [],
    how: 'listed',
    end: 'follow',
  },
]

for (const { title, before, after, how, end, within } of CASES)
  test(`${title}: ${end}`, t => {
    const scene = followed(before)
    const first = scene.says(how, after)
    if (within === undefined) t.is(first.what, end)
    else {
      t.is(first.what, 'wait')
      t.is(scene.later(within - 1, after).what, 'wait')
      t.is(scene.later(1, after).what, end)
    }
  })

test('an empty store at the first start is followed: nothing was in force', t => {
  t.is(new Scene().says('listed', []).what, 'follow')
})

test('what an earlier controller kept is in force: a start beside an emptied store is held back', t => {
  const scene = new Scene(ALL)
  const judgement = scene.says('listed', [])
  t.is(judgement.what, 'hold')
  t.regex(
    judgement.what === 'hold' ? judgement.why : '',
    /no Node a .* 4 of 4 .*Nodes 2, BGPPeers 1, IPPools 1/,
  )
})

test('everything that is deleted in two steps, a moment apart, is held back', t => {
  const scene = followed([...ALL, BLOCK])
  t.is(scene.says('seen', [OWN, OTHER]).what, 'wait')
  t.is(scene.says('seen', []).what, 'hold')
})

test('a Node that is replaced by deletion and creation is never gone', t => {
  const scene = followed(ALL)
  t.is(scene.says('seen', [OTHER, PEER, POOL]).what, 'wait')
  t.is(scene.says('seen', [{ ...OWN, revision: 9 }, OTHER, PEER, POOL]).what, 'follow')
})

test('while it is held back, whatever else comes changes nothing, until the Node is back', t => {
  const scene = followed(ALL)
  scene.says('listed', [])
  for (const entries of [[POOL], [POOL, OTHER], [POOL, OTHER, PEER], [THIRD]])
    t.is(scene.says('seen', entries).what, 'hold')
  t.is(scene.later(3_600_000, [THIRD]).what, 'hold')
})

test('what comes back is followed when it has been quiet for three seconds', t => {
  const scene = followed(ALL)
  scene.says('listed', [])
  const back = scene.says('seen', [OWN])
  t.is(back.what, 'hold')
  scene.later(2000, [OWN])
  t.is(scene.says('seen', [OWN, PEER]).what, 'hold')
  t.is(scene.later(2999, [OWN, PEER]).what, 'hold')
  t.is(scene.later(1, [OWN, PEER]).what, 'follow')
  t.is(scene.says('listed', []).what, 'hold', 'and the next time it is held back again')
})

test('an acceptance is of what was held back before it, and of nothing later', t => {
  const scene = followed(ALL)
  scene.says('listed', [], 5)
  t.is(scene.says('seen', [], 5).what, 'hold', 'an old word')
  t.is(scene.says('seen', [], scene.revision + 1).what, 'follow')
  scene.says('seen', ALL)
  t.is(scene.says('listed', [], scene.revision).what, 'hold')
})

test('a datastore that is not ready is not followed, and nothing is forgotten', t => {
  const scene = followed([...ALL, ready(true)])
  t.is(scene.says('seen', [...ALL, ready(false)]).what, 'pause')
  t.is(scene.says('seen', [OWN, ready(false)]).what, 'pause')
  t.is(scene.says('seen', [OTHER, PEER, POOL, ready(true)]).what, 'wait')
  t.is(followed([OWN, ready(false)]).says('listed', []).what, 'follow', 'it was never in force')
  const odd = { ...ready(false), value: '{' }
  t.is(followed(ALL).says('seen', [...ALL, odd]).what, 'follow')
})

test('what is in a file that cannot be read is not gone, and is remembered until it is known', t => {
  const inFile = ALL.map(one => ({ ...one, source: 'cluster.yaml:1' }))
  const holdBack = new HoldBack('a', inFile)
  const says = (...unreadable: readonly string[]): string =>
    holdBack.judge(
      { entries: new Map(), revision: 11, listed: true, unreadable: new Set(unreadable) },
      millis(1_000_000),
    ).what
  t.is(says('cluster.yaml'), 'follow')
  // the file itself is gone, or another one cannot be read: that says nothing of these
  t.is(says('other.yaml'), 'hold')
})
