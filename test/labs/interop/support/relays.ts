/** Rows about attributes: one router announces, Martlet passes on, the others show. */
import { hub, passed } from './external-cast.ts'
import type { Row } from './matrix.ts'
import type { Attributes, SeenRoute } from './program.ts'
import type { Router } from './router.ts'
import { bothOf, prefixOf, sees } from './rows.ts'

/** Announces one route a family, and has every other router see it as `expected`. */
function relay(
  row: number,
  title: (router: string) => string,
  attributes: Attributes,
  expected: (router: Router) => Partial<SeenRoute>,
  needs: Row['needs'] = [],
): Row {
  return {
    title,
    needs,
    cell: async (t, scene, router) => {
      const routes = bothOf(router, row).map(route => ({ ...route, attributes }))
      await router.announce(routes)
      for (const { prefix } of routes)
        await Promise.all(
          scene.others(router).map(other => sees(t, other, prefix, expected(router))),
        )
    },
  }
}

/** AS_PATH, RFC 6793. */
export const paths = relay(
  2,
  router => `numbers above 65535 in the path of ${router} reach the others in their order`,
  { asPath: [65001, 4_200_099_999, 65001] },
  router => ({ asPath: passed(router, '65001 4200099999 65001') }),
  ['announce a path of other numbers'],
)

/** RFC 1997, RFC 4360, RFC 8092. */
export const communities = relay(
  3,
  router => `communities of all three kinds reach the others as ${router} sent them`,
  {
    communities: ['65000:1', '65000:65535'],
    largeCommunities: ['1:2:3', '4200000000:1:2'],
    routeTargets: ['65000:7'],
  },
  router => ({
    asPath: passed(router),
    communities: ['65000:1', '65000:65535'],
    largeCommunities: ['1:2:3', '4200000000:1:2'],
    routeTargets: ['65000:7'],
  }),
)

/** RFC 4271 §5.1.1, §5.1.4. */
export const med = relay(
  4,
  router => `ORIGIN of ${router} goes to its neighbour’s neighbours, MED does not`,
  { origin: 'EGP', med: 50 },
  router => ({ asPath: passed(router), origin: 'EGP', med: undefined }),
)

/** RFC 4271 §5.1.1. */
export const incomplete = relay(
  5,
  router => `a route of ${router} whose origin is not known stays one`,
  { origin: 'incomplete' },
  router => ({ asPath: passed(router), origin: 'incomplete' }),
)
/** What the one in the middle knows. */
export const kept: Row = {
  title: router => `Martlet itself shows MED, ORIGIN and communities of ${router}`,
  cell: async (t, scene, router) => {
    const api = await hub(scene).api()
    const [withMed] = await api.routes(prefixOf(router, 'ipv4', 4))
    t.like(withMed?.best, { med: 50, origin: 'EGP', asPath: String(router.asn) })
    const [tagged] = await api.routes(prefixOf(router, 'ipv6', 3))
    t.deepEqual(tagged?.best.communities, [
      ...['65000:1', '65000:65535'],
      ...['1:2:3', '4200000000:1:2'],
      'rt:65000:7',
    ])
  },
}

/** RFC 4271 §5.1.2. */
export const asSet = relay(
  6,
  router => `an AS_SET of ${router} reaches the others as a set`,
  { asPath: [[65011, 65012]] },
  router => ({ asPath: passed(router, '{65011 65012}') }),
  ['announce an AS_SET'],
)

/** RFC 4271 §5.1.6, §5.1.7. */
export const aggregator = relay(
  7,
  router => `AGGREGATOR and ATOMIC_AGGREGATE of ${router} reach the others`,
  { aggregator: { asn: 100_000, address: '192.0.2.9' }, atomicAggregate: true },
  () => ({ aggregator: '100000 192.0.2.9', atomicAggregate: true }),
  ['announce AGGREGATOR and ATOMIC_AGGREGATE'],
)

const UNKNOWN = { code: 213, value: [1, 2, 3, 250] }

/** RFC 4271 §5: who passes on what it does not know sets the bit. */
const partialAs = ({ place }: Router): { readonly partial?: true } =>
  place.program.cannot['show the Partial bit'] === undefined ? { partial: true } : {}

/** RFC 4271 §5. */
export const unknown: Row = {
  title: router => `an attribute of ${router} that nobody knows is passed on with Partial`,
  needs: ['announce an unknown attribute'],
  cell: async (t, scene, router) => {
    const routes = bothOf(router, 8).map(route => ({ ...route, attributes: { unknown: UNKNOWN } }))
    await router.announce(routes)
    const shows = ({ place }: Router): boolean =>
      place.program.cannot['show unknown attributes'] === undefined
    const others = scene.others(router).filter(shows)
    t.true(others.length > 1)
    for (const { prefix } of routes)
      for (const other of others)
        await sees(t, other, prefix, { unknown: [{ ...UNKNOWN, ...partialAs(other) }] })
  },
}

const OLD_PATH = [65001, 4_200_099_999]

/** AS4_PATH and AS4_AGGREGATOR, RFC 6793 §4.2. */
export const reconstructed: Row = {
  title: router => `${router} has paths and aggregators of four octets whole, over two`,
  prepare: async scene => {
    const [frr] = scene.routers.filter(({ name }) => name === 'FRR')
    if (frr === undefined) throw new Error('no FRR')
    const aggregator = { asn: 100_000, address: '192.0.2.9' }
    await frr.announce(
      bothOf(frr, 10).map(route => ({ ...route, attributes: { asPath: OLD_PATH, aggregator } })),
    )
  },
  cell: async (t, scene, router) => {
    for (const other of scene.others(router).filter(({ name }) => name === 'FRR'))
      for (const { prefix } of bothOf(other, 10))
        await sees(t, router, prefix, {
          asPath: passed(other, OLD_PATH.join(' ')),
          aggregator: '100000 192.0.2.9',
        })
  },
}
