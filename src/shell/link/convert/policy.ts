import type { MessageInitShape } from '@bufbuild/protobuf'
import type {
  Action,
  LargeCommunity,
  Match,
  Policy,
  PrefixRule,
  Term,
} from '../../../core/policy/index.ts'
import type {
  Action as ActionMessage,
  LargeCommunities as LargeCommunitiesMessage,
  Policy as PolicyMessage,
  PolicySchema,
  PrefixRules as PrefixRulesMessage,
  Term as TermMessage,
} from '../generated/link_pb.ts'
import { LinkError } from '../transport/error.ts'
import { family, optional, prefix, same, word } from './words.ts'

/** Policies, term by term. */

/** As the controller writes it. O(terms and prefixes). */
export const toPolicy = ({ terms, otherwise }: Policy): MessageInitShape<typeof PolicySchema> => ({
  terms: terms.map(({ match, actions, verdict }) => ({
    ...toMatch(match),
    actions: actions.map(toAction),
    verdict,
  })),
  otherwise,
})

const toMatch = (match: Match) => ({
  ...optional('source', match.source, same),
  ...optional('prefixes', match.prefixes, rules => ({ rules: [...rules] })),
  ...optional('family', match.family, same),
  ...optional('notPrefixes', match.notPrefixes, rules => ({ rules: [...rules] })),
  ...optional('communities', match.communities, communities => ({ communities: [...communities] })),
  ...optional('largeCommunities', match.largeCommunities, toLarge),
  ...optional('asPathPrefix', match.asPathPrefix, asns => ({ asns: [...asns] })),
  ...optional('localPref', match.localPref, ([least, most]) => ({ least, most })),
  ...optional('nextHops', match.nextHops, texts => ({ texts: [...texts] })),
  ...optional('links', match.links, texts => ({ texts: [...texts] })),
})

const toLarge = (communities: readonly LargeCommunity[]) => ({
  communities: communities.map(([administrator, first, second]) => ({
    administrator,
    first,
    second,
  })),
})

const fromLarge = ({ communities }: LargeCommunitiesMessage): LargeCommunity[] =>
  communities.map(({ administrator, first, second }) => [administrator, first, second])

/** As the speaker reads it. Throws a `LinkError` for what is none. */
export const fromPolicy = ({ terms, otherwise }: PolicyMessage): Policy => ({
  terms: terms.map(fromTerm),
  otherwise: word(['accept', 'reject'], otherwise),
})

const fromTerm = (message: TermMessage): Term => ({
  match: fromMatch(message),
  actions: message.actions.map(fromAction),
  verdict: word(['accept', 'reject', 'next'], message.verdict),
})

const fromMatch = (message: TermMessage): Match => ({
  ...optional('source', message.source, text => word(['originated', 'learned'], text)),
  ...optional('prefixes', message.prefixes, fromRules),
  ...optional('family', message.family, family),
  ...optional('notPrefixes', message.notPrefixes, fromRules),
  ...optional('communities', message.communities, ({ communities }) => [...communities]),
  ...optional('largeCommunities', message.largeCommunities, fromLarge),
  ...optional('asPathPrefix', message.asPathPrefix, ({ asns }) => [...asns]),
  ...optional('localPref', message.localPref, ({ least, most }) => [least, most] as const),
  ...optional('nextHops', message.nextHops, ({ texts }) => texts.map(prefix)),
  ...optional('links', message.links, ({ texts }) => [...texts]),
})

const fromRules = ({ rules }: PrefixRulesMessage): PrefixRule[] =>
  rules.map(rule => ({
    prefix: prefix(rule.prefix),
    lengthMin: rule.lengthMin,
    lengthMax: rule.lengthMax,
  }))

function toAction(action: Action) {
  switch (action.type) {
    case 'set-local-pref':
      return { body: { case: 'setLocalPref' as const, value: action.value } }
    case 'set-med':
      return { body: { case: 'setMed' as const, value: action.value } }
    case 'add-communities':
      return {
        body: { case: 'addCommunities' as const, value: { communities: [...action.communities] } },
      }
    case 'remove-communities':
      return {
        body: {
          case: 'removeCommunities' as const,
          value: { communities: [...action.communities] },
        },
      }
    case 'prepend':
      return {
        body: { case: 'prepend' as const, value: { asns: [...action.asns] } },
      }
    case 'add-large-communities':
      return {
        body: { case: 'addLargeCommunities' as const, value: toLarge(action.communities) },
      }
    default:
      return action satisfies never
  }
}

function fromAction({ body }: ActionMessage): Action {
  switch (body.case) {
    case 'setLocalPref':
      return { type: 'set-local-pref', value: body.value }
    case 'setMed':
      return { type: 'set-med', value: body.value }
    case 'addCommunities':
      return { type: 'add-communities', communities: [...body.value.communities] }
    case 'removeCommunities':
      return { type: 'remove-communities', communities: [...body.value.communities] }
    case 'prepend':
      return { type: 'prepend', asns: [...body.value.asns] }
    case 'addLargeCommunities':
      return { type: 'add-large-communities', communities: fromLarge(body.value) }
    case undefined:
      throw new LinkError('LINK_MESSAGE', 'an action that says nothing')
    default:
      return body satisfies never
  }
}
