// What iptables -h says here: the forms of a call and the extensions there are, in podwire's own words.

import { extensionNames } from './extensions.ts';

const USAGE = `
usage: iptables [-t TABLE] -A|-C|-D CHAIN RULE        append, look for, delete a rule
       iptables [-t TABLE] -I CHAIN [NUMBER] RULE     insert one
       iptables [-t TABLE] -R CHAIN NUMBER RULE       replace one
       iptables [-t TABLE] -D CHAIN NUMBER            delete one by its number
       iptables [-t TABLE] -L|-S [CHAIN [NUMBER]]     list (-n, -v, -x, --line-numbers)
       iptables [-t TABLE] -F|-Z [CHAIN]              delete all rules; zero counters
       iptables [-t TABLE] -N|-X CHAIN                make, delete a chain
       iptables [-t TABLE] -E OLD NEW                 rename a chain
       iptables [-t TABLE] -P CHAIN ACCEPT|DROP       set a policy
RULE:  [!] -s, -d ADDRESS[/MASK][,...]  [!] -p PROTOCOL  [!] -i, -o DEVICE[+]  [!] -f
       -m MATCH OPTIONS  -j TARGET OPTIONS  -g CHAIN  -c PACKETS BYTES
tables: filter (the default), nat, mangle, raw, security
`;

export const IPTABLES_HELP: string = `${USAGE}matches: ${extensionNames.matches.join(' ')}
targets: ACCEPT DROP RETURN ${extensionNames.targets.join(' ')}
`;
