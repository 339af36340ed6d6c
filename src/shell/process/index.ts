/**
 * The agent's processes as the operating system sees them: users, capabilities, children, parents.
 */
export {
  type Capability,
  excess,
  has,
  ownPrivileges,
  type Privileges,
  parsePrivileges,
} from './capabilities.ts'
export { Child, type ChildOptions } from './child.ts'
export { GrantedPorts, type GrantedPortsOptions } from './granted-ports.ts'
export { hazardsHere } from './hazards.ts'
export {
  type ChildName,
  type Identities,
  type Identity,
  type Machine,
  NEEDED,
  planIdentities,
  thisMachine,
} from './identity.ts'
export {
  makePrivateDirectory,
  makeSocketDirectories,
  type SocketDirectory,
} from './run-directory.ts'
export { type Parent, parent, type Question, question, SUPERVISED } from './supervised.ts'
export { Witnesses } from './witnesses.ts'
