/** BGP-4: bytes to messages and back, stateless. Layer 2. */
export { prepended, SEGMENT_ASNS_MAX } from './attributes/as-path.ts'
export {
  type DecodedAttributes,
  decodeAttributes,
  missingMandatory,
  UPDATE_FAULTS_MAX,
} from './attributes/decode.ts'
export { encodeAttributes } from './attributes/encode.ts'
export type { AttributeContext, EncodeContext, Reach, Unreach } from './attributes/spec.ts'
export { ATTRIBUTES, type AttributeRow } from './attributes/table.ts'
export { asPathText, communityTexts } from './attributes/text.ts'
export {
  afiSafiOf,
  checkNlri,
  FAMILY_SPECS,
  type FamilySpec,
  familyOfAfiSafi,
  PATH_IDENTIFIER_OCTETS,
  UNICAST,
} from './families.ts'
export {
  EXTENDED_MESSAGE_MAX,
  MESSAGE_MAX,
  NOTIFICATION_DATA_MAX,
  notification,
  resetFault,
  severest,
  updateFault,
} from './fault.ts'
export { encodeKeepalive, Framer, HEADER_OCTETS } from './framer.ts'
export {
  CAPABILITY_CODES,
  CEASE,
  COMMUNITIES,
  ERROR_CODES,
  ERROR_NAMES,
  FLAG,
  FSM_ERROR,
  HEADER_ERROR,
  MESSAGE_TYPES,
  OPEN_ERROR,
  REFRESH_ERROR,
  REFRESH_SUBTYPE,
  UPDATE_ERROR,
} from './iana.ts'
export type * from './message.ts'
export {
  cease,
  decodeNotification,
  describeNotification,
  encodeNotification,
  hardReset,
  insideHardReset,
  SHUTDOWN_TEXT_MAX,
  shutdownText,
  tooManyPrefixes,
} from './notification.ts'
export { namedCapability, RESTART_SECONDS_MAX, STALE_SECONDS_MAX } from './open/capabilities.ts'
export { describeCapability } from './open/describe.ts'
export {
  BGP_VERSION,
  decodeCapabilities,
  decodeOpen,
  encodeCapabilities,
  encodeOpen,
} from './open/open.ts'
export { decodeRouteRefresh, encodeRouteRefresh } from './route-refresh.ts'
export {
  locateUpdate,
  type RoutesLocation,
  remedyOf,
  splitUpdate,
  type UpdateLocation,
} from './update.ts'
export { endOfRib, UpdateBuilder } from './update-builder.ts'
