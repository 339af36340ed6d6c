import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Action, Match, Policy, Term } from '../../../core/policy/index.ts'
import type {
  Action as ActionMessage,
  Policy as PolicyMessage,
  PolicySchema,
  Term as TermMessage,
} from '../generated/link_pb.ts'
import { LinkError } from '../transport/error.ts'
import { optional, prefix, same, word } from './words.ts'

/** Policies, term by term. */

/** As the controller writes it. O(terms and prefixes). */
export const toPolicy = ({ terms, otherwise }: Policy): MessageInitShape<typeof PolicySchema> => ({
  terms: terms.map(({ match: { source, prefixes }, actions, verdict }) => ({
    ...optional('source', source, same),
    ...optional('prefixes', prefixes, rules => ({ rules: [...rules] })),
    actions: actions.map(toAction),
    verdict,
  })),
  otherwise,
})

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

const fromMatch = ({ source, prefixes }: TermMessage): Match => ({
  ...optional('source', source, text => word(['originated', 'learned'], text)),
  ...optional('prefixes', prefixes, ({ rules }) =>
    rules.map(rule => ({
      prefix: prefix(rule.prefix),
      lengthMin: rule.lengthMin,
      lengthMax: rule.lengthMax,
    })),
  ),
})

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
        body: { case: 'prepend' as const, value: { asn: action.asn, count: action.count } },
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
      return { type: 'prepend', asn: body.value.asn, count: body.value.count }
    case undefined:
      throw new LinkError('LINK_MESSAGE', 'an action that says nothing')
    default:
      return body satisfies never
  }
}
