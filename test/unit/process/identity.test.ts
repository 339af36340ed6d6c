/** As whom each process runs, on machines of all kinds. */
import test from 'ava'
import {
  excess,
  type Identity,
  type Machine,
  parsePrivileges,
  planIdentities,
} from '../../../src/shell/process/index.ts'

const status = (capabilities: string, uid = 0): string =>
  [
    'Name:\tnode',
    `Uid:\t${uid}\t${uid}\t${uid}\t${uid}`,
    `Gid:\t${uid}\t${uid}\t${uid}\t${uid}`,
    'CapInh:\t0000000000000000',
    'CapPrm:\t000001ffffffffff',
    `CapEff:\t${capabilities}`,
    'CapBnd:\t000001ffffffffff',
    'NoNewPrivs:\t0',
  ].join('\n')

const ALL = '000001ffffffffff'
const NONE = '0000000000000000'
const NET_ADMIN_ONLY = '0000000000001000'

interface Has {
  readonly capabilities?: string
  readonly uid?: number
  readonly setpriv?: boolean
  readonly users?: Readonly<Record<string, Identity>>
  readonly owners?: Readonly<Record<string, Identity>>
  readonly mappedMax?: number
}

const machine = (has: Has): Machine => ({
  privileges: parsePrivileges(status(has.capabilities ?? ALL, has.uid)),
  setpriv: has.setpriv ?? true,
  mapped: id => id <= (has.mappedMax ?? 2 ** 32),
  user: name => has.users?.[name],
  owner: path => has.owners?.[path],
})

const words = (has: Has, name: 'controller' | 'speaker' | 'dataplane'): string =>
  planIdentities(machine(has), ['/store', '/martlet.yaml']).prefix(name).join(' ')

test('as root each process has its own user and no capability but the dataplane’s', t => {
  t.is(
    words({}, 'speaker'),
    'setpriv --reuid=65521 --regid=65521 --clear-groups --inh-caps=-all --ambient-caps=-all ' +
      '--bounding-set=-all --no-new-privs --pdeathsig=KILL',
  )
  t.is(
    words({}, 'dataplane'),
    'setpriv --reuid=65522 --regid=65522 --clear-groups --inh-caps=-all,+net_admin ' +
      '--ambient-caps=-all,+net_admin --bounding-set=-all,+net_admin ' +
      '--no-new-privs --pdeathsig=KILL',
  )
})

test('the controller runs as the owner of the first of its files that exists', t => {
  const owners = { '/store': { uid: 7, gid: 8 }, '/martlet.yaml': { uid: 9, gid: 9 } }
  t.deepEqual(planIdentities(machine({ owners }), ['/store', '/martlet.yaml']).of.controller, {
    uid: 7,
    gid: 8,
  })
  t.deepEqual(planIdentities(machine({ owners }), ['/absent', '/martlet.yaml']).of.controller, {
    uid: 9,
    gid: 9,
  })
  t.regex(words({ owners }, 'controller'), /--reuid=7 --regid=8 .*--bounding-set=-all /)
})

test('users that the machine has for the processes are taken', t => {
  const users = {
    'martlet-controller': { uid: 101, gid: 201 },
    'martlet-speaker': { uid: 102, gid: 202 },
    'martlet-dataplane': { uid: 103, gid: 203 },
  }
  t.deepEqual(planIdentities(machine({ users }), ['/store']).of, {
    controller: { uid: 101, gid: 201 },
    speaker: { uid: 102, gid: 202 },
    dataplane: { uid: 103, gid: 203 },
  })
})

test('in a user namespace with one user capabilities are dropped, and it is said', t => {
  const plan = planIdentities(machine({ mappedMax: 0 }), [])
  t.false(plan.separate)
  t.is(plan.prefix('speaker').join(' ').includes('--reuid'), false)
  t.regex(plan.prefix('speaker').join(' '), /--bounding-set=-all --no-new-privs/)
  t.regex(plan.shortfalls.join(), /too few users/)
  t.deepEqual(plan.of.speaker, plan.of.controller)
})

test('without privileges nothing is asked that would fail, and what is missing is said', t => {
  const plan = planIdentities(machine({ capabilities: NONE, uid: 1000 }), [])
  t.is(
    plan.prefix('speaker').join(' '),
    'setpriv --inh-caps=-all --ambient-caps=-all --no-new-privs --pdeathsig=KILL',
  )
  t.is(plan.prefix('dataplane').join(' '), plan.prefix('speaker').join(' '))
  t.is(plan.shortfalls.length, 3)
  t.regex(plan.shortfalls.join(), /CAP_SETUID.*CAP_SETPCAP.*CAP_NET_ADMIN/s)
})

test('with CAP_NET_ADMIN alone the dataplane keeps it and the others lose it', t => {
  const has = { capabilities: NET_ADMIN_ONLY, uid: 1000 }
  t.regex(words(has, 'dataplane'), /--ambient-caps=-all,\+net_admin --no-new-privs/)
  t.regex(words(has, 'speaker'), /--ambient-caps=-all --no-new-privs/)
})

test('without setpriv children are started as they are, and it is said', t => {
  const plan = planIdentities(machine({ setpriv: false }), [])
  t.deepEqual(plan.prefix('speaker'), [])
  t.false(plan.separate)
  t.regex(plan.shortfalls.join(), /setpriv is not installed/)
})

test('what a process has beyond what it may is named', t => {
  const privileges = parsePrivileges(status('0000000000003400'))
  t.deepEqual(excess(privileges, ['NET_ADMIN']), ['CAP_NET_BIND_SERVICE', 'CAP_NET_RAW'])
  t.deepEqual(excess(privileges, ['NET_ADMIN', 'NET_BIND_SERVICE', 'NET_RAW']), [])
  t.deepEqual(excess(parsePrivileges(status('0000032000000000')), []), [
    'CAP_AUDIT_READ',
    'CAP_CHECKPOINT_RESTORE',
    'capability 41',
  ])
})

test('the status of a process is read as the kernel writes it', t => {
  const privileges = parsePrivileges(
    'Uid:\t1000\t0\t1000\t1000\nGid:\t5\t6\t5\t5\nCapEff:\t0000000000001000\n' +
      'CapBnd:\t0000000000001001\nNoNewPrivs:\t1\n',
  )
  t.deepEqual(privileges, {
    uid: 0,
    gid: 6,
    effective: 0x1000n,
    bounding: 0x1001n,
    noNewPrivileges: true,
  })
})
