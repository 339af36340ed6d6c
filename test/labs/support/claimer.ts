/**
 * A node that claims a block, in a process of its own: `node claimer.ts ENDPOINT NODE [WRITES]` tells in a line of JSON
 * what it got, or is killed, as by `kill -9`, right after so many writes.
 */
import { API_VERSION } from '../../../src/core/calico/index.ts'
import type { Store } from '../../../src/core/intent/index.ts'
import { BlockClient, openStore } from '../../../src/shell/store/index.ts'

/** The one pool, of 16 blocks. */
export const POOL = { cidr: '10.0.0.0/24', blockSize: 28 } as const

/** The store, until so many writes are done. */
function mortal(store: Store, writes: number): Store {
  let done = 0
  const counted = async <Result>(result: Promise<Result>): Promise<Result> => {
    const answer = await result
    if (++done === writes) process.kill(process.pid, 'SIGKILL')
    return answer
  }
  return {
    get: key => store.get(key),
    list: (...list) => store.list(...list),
    put: (...put) => counted(store.put(...put)),
    delete: (...gone) => counted(store.delete(...gone)),
    watch: (...watch) => store.watch(...watch),
    leased: seconds => store.leased(seconds),
    close: () => store.close(),
  }
}

if (import.meta.main) {
  const [endpoint = '', node = '', writes = 'Infinity'] = process.argv.slice(2)
  const store = openStore({ kind: 'etcd', endpoints: [endpoint] })
  const claimed = await new BlockClient(mortal(store, Number(writes)), node, Date.now).claim({
    family: 'ipv4',
    pools: [{ kind: 'IPPool', apiVersion: API_VERSION, metadata: { name: 'default' }, spec: POOL }],
    labels: {},
    reserved: [],
    handleId: `martlet-${node}`,
  })
  process.stdout.write(`${JSON.stringify(claimed)}\n`)
  await store.close()
}
