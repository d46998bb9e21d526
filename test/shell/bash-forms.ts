// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are shell scripts
// Scripts that behave the same in a real bash: the forms in which the stimuli and setup scripts of people are written.
// They use no command that only one of the two has, and print nothing that depends on the clock or on process ids.

export interface BashForm {
  readonly name: string;
  readonly source: string;
  readonly args?: readonly string[];
  /** bash reports jobs that a signal has ended; we do not. */
  readonly reports?: boolean;
}

const TEN = 'a b c d e f g h i j k';

export const BASH_FORMS: readonly BashForm[] = [
  {
    name: 'more than nine arguments, everywhere',
    source: `D=$(mktemp -d)
printf '#!/bin/bash\\necho "$# \\${10} $*"; for x in "$@"; do echo -n "<$x>"; done; echo; exit 7\\n' > $D/s
chmod +x $D/s
$D/s ${TEN}; echo $?
"$D/s" ${TEN} | tail -1
cd $D && ./s ${TEN} > o; cat o
f() { echo "$# $*"; printf '[%s]' "$@"; echo; }
f ${TEN}
set -- ${TEN}
for x; do echo -n "$x,"; done; echo "$# \${11}"
echo "$@" & wait
bash -c 'echo "$# $*"' n ${TEN}
bash $D/s ${TEN}`,
  },
  {
    name: 'programs by their full path',
    source: '/bin/echo a; /usr/bin/env true; echo $?; /bin/bash -c "exit 4"; echo $?; /bin/no-such; echo $?',
  },
  {
    name: 'a script with jobs, called by its path',
    source:
      'D=$(mktemp -d)\nprintf \'#!/bin/bash\\nsleep 0.1 &\\nP=$!\\nwait $P; echo "$? ${0##*/} $1"\\n\' > $D/s\nchmod +x $D/s\n$D/s x\nchmod -x $D/s\n$D/s x; echo $?',
  },
  { name: 'set -e stops at the first failure', source: 'set -e\necho a\nfalse\necho b' },
  {
    name: 'set -e lets a tested failure pass',
    source: 'set -e\nfalse || true\nif false; then :; fi\n! true\nfalse && true\necho on',
  },
  {
    name: 'set -e inside a function and its || guard',
    source: 'set -e\nf() { false; echo in; }\nf || echo guarded\nf\necho never',
  },
  { name: 'a failing assignment ends set -e', source: 'set -e\nX=$(exit 3)\necho never' },
  { name: 'a group that fails in && does not', source: 'set -e\n{ false && true; }\necho alive' },
  {
    name: 'functions, local, shift, "$@"',
    source:
      'X=out\nf() { local X=$1; shift; echo "$X $# $*"; for a in "$@"; do echo "[$a]"; done; return 4; }\nf in "b c" d\necho "$X $?"',
  },
  {
    name: 'HERE of the script',
    source: 'HERE=$(cd "$(dirname "$0")" && pwd)\n[ -d "$HERE" ] && echo dir\necho "${0##*/} $#"',
  },
  {
    name: 'output to nowhere and || true',
    source: 'echo a >/dev/null 2>&1 || true\nno-such-command >/dev/null 2>&1 || true\necho $?',
  },
  { name: 'a missing command', source: 'no-such-command\necho $?\n/no/such/path\necho $?\n/\necho $?' },
  {
    name: 'both streams of a group in order',
    source: '{ echo 1; echo 2 >&2; echo 3; } 2>&1\n(echo 4 >&2; echo 5) 2>&1',
  },
  { name: 'standard error apart', source: 'echo a >&2; echo b; echo c >&2' },
  {
    name: 'a here-document to a file',
    source: 'N=7\nF=$(mktemp -d)/f\ncat > "$F" <<EOF\na $N\n$(echo sub)\nEOF\ncat "$F"\ncat <<\'EOF\'\nraw $N\nEOF',
  },
  {
    name: 'pipes into grep, head, awk, sort',
    source: 'printf "%s\\n" c a b a | sort | uniq -c | awk \'{print $2, $1}\' | grep -v b | head -2',
  },
  { name: 'while read', source: 'printf "1 x\\n2 y\\n" | while read -r n w; do echo "$w$n"; done' },
  { name: 'bash -c with arguments', source: 'bash -c \'echo "$0 $1 $#"; exit 6\' name one two\necho $?' },
  {
    name: 'bash -c sees exported variables only',
    source: "A=1\nexport B=2\nbash -c 'echo \"[$A][$B]\"'\nC=3 bash -c 'echo $C'",
  },
  { name: 'a subshell keeps its changes to itself', source: 'X=1\n(X=2; cd /; exit 5)\necho "$X $?"' },
  {
    name: 'for over seq and arithmetic',
    source:
      't=0\nfor i in $(seq 1 5); do t=$((t + i)); done\necho $t\nfor ((i=0;i<3;i++)); do printf "%d " $i; done\necho',
  },
  {
    name: 'case, test, [[ ]]',
    source:
      'for x in a1 b2 zz; do case $x in a*) echo A;; b?) echo B;; *) echo other;; esac; done\n[[ abc == a* && 3 -lt 5 ]] && echo yes',
  },
  {
    name: 'default values and substitutions',
    source: 'echo "${U:-none} ${U-none}"\nV=hello.world\necho "${V%.*} ${V##*.} ${#V} ${V/l/L} ${V:1:3}"',
  },
  {
    name: 'arrays',
    source: 'a=(x "y z" w)\na+=(v)\necho "${#a[@]} ${a[1]}"\nfor e in "${a[@]}"; do echo "<$e>"; done',
  },
  {
    name: 'indirect variables as stop() uses them',
    source: 'PID_echo=42\nv=PID_echo\necho ${!v}\neval "Q_$v=7"\necho $Q_PID_echo',
  },
  { name: 'exec ends the shell', source: 'echo a\nexec echo b\necho c' },
  {
    name: 'exec in a subshell ends the subshell',
    source: '(exec echo a; echo never)\necho b\nbash -c "exec false"\necho $?',
  },
  { name: 'a trap on exit', source: 'trap \'echo "bye $X"\' EXIT\nX=1\necho a\n(exit 3)\nexit 4' },
  { name: 'a trap on exit after set -e', source: 'set -e\ntrap "echo cleanup" EXIT\nfalse\necho never' },
  {
    name: 'a trap that calls a function, and fails',
    source: 'set -eu\nclean() { echo "clean $1 ${Z:-none}"; false; }\ntrap "clean now" EXIT\nZ=z\nexit 3',
  },
  { name: 'a trap that exits', source: 'trap "echo t; exit 9" EXIT\nexit 3' },
  {
    name: 'a trap in a job',
    source: '(trap "echo job over" EXIT; sleep 0.1) & wait\nbash -c "trap \'echo inner\' EXIT; false"; echo $?',
  },
  { name: 'a trap is taken back', source: 'trap "echo no" EXIT\ntrap - EXIT\necho end' },
  {
    name: 'wait for a job by its id',
    source: '(sleep 0.2; echo job; exit 3) &\nP=$!\necho main\nwait $P\necho "rc $?"',
  },
  { name: 'a second wait for the same job', source: '(exit 3) &\nwait $!\nwait $!\necho $?' },
  { name: 'wait for all', source: '(sleep 0.3; echo slow) &\n(sleep 0.1; echo fast) &\nwait\necho "done $?"' },
  { name: 'wait for something that is no child', source: 'wait 99999\necho $?' },
  { name: 'wait -n', source: '(sleep 0.4; exit 2) &\n(sleep 0.1; exit 5) &\nwait -n\necho $?\nwait' },
  {
    name: 'kill and the status of the killed',
    source:
      'sleep 30 &\nP=$!\nsleep 0.1\nkill $P 2>/dev/null\nwait $P 2>/dev/null\necho $?\nkill -0 $P 2>/dev/null || echo gone',
  },
  {
    name: 'kill -9 and kill -s KILL',
    reports: true,
    source:
      'sleep 30 & A=$!\nsleep 30 & B=$!\nsleep 0.1\nkill -9 $A\nkill -s KILL $B\nwait $A 2>/dev/null; echo $?\nwait $B 2>/dev/null; echo $?',
  },
  { name: 'kill of nobody', source: 'kill 99999 2>/dev/null || echo none\nkill -NOSUCH 1 2>/dev/null || echo bad' },
  {
    name: 'a job that goes on in a file',
    source:
      'D=$(mktemp -d)\n(echo one; sleep 0.2; echo two) > $D/log 2>&1 &\nP=$!\nsleep 0.1\ncat $D/log\nwait $P\necho --\ncat $D/log',
  },
  { name: 'a group in the background', source: '{ sleep 0.1; echo g; } &\necho first\nwait' },
  {
    name: 'a list in the background',
    source: 'true && echo yes || echo no &\nwait\nfalse && echo yes || echo no &\nwait',
  },
  { name: 'a pipeline in the background', source: 'echo abc | tr a-c x-z &\nwait' },
  {
    name: 'a function in the background with its variables',
    source:
      'pre=P\nf() { local y=$1; echo "$pre $y ${arr[1]} $1"; }\narr=(0 "1 1")\ng() { local z=L; f "$z" & wait; }\ng',
  },
  { name: 'a job does not change the shell', source: 'X=1\n{ X=2; cd /tmp; } &\nwait\necho $X' },
  { name: 'a job inside a loop', source: 'for i in 1 2 3; do (sleep 0.$i; echo $i) & done\nwait\necho all' },
  { name: 'a job inside bash -c', source: 'bash -c "sleep 5 & kill \\$!; wait \\$! 2>/dev/null; echo \\$?"' },
  { name: 'a job of a job', source: '( (sleep 0.1; echo inner) & wait; echo outer) &\nwait' },
  {
    name: 'positional parameters in a job',
    source: 'set -- a "b c"\nfor x in "$@"; do echo "$x"; done &\nwait',
    args: [],
  },
  { name: '$! before and after', source: 'sleep 0.01 &\n[ -n "$!" ] && echo has\nwait' },
  {
    name: 'set -e and a failing job',
    source: 'set -e\nfalse &\nwait $! || echo "caught $?"\nfalse &\nwait $!\necho never',
  },
  { name: 'a command substitution with a job in it', source: 'X=$(sleep 0.1 & wait; echo v)\necho $X' },
  {
    name: 'timeout',
    reports: true,
    source:
      'timeout 0.2 sleep 5\necho $?\ntimeout 5 true\necho $?\ntimeout -s KILL 0.1 sleep 5\necho $?\ntimeout 2 bash -c "exit 9"\necho $?\ntimeout x true 2>/dev/null\necho $?',
  },
  {
    name: 'sleep takes units and sums',
    source: 'sleep 0.01s 0.01\necho $?\nsleep x 2>/dev/null\necho $?\nsleep 2>/dev/null\necho $?',
  },
  {
    name: 'a script from standard input',
    source: 'echo "echo in; exit 3" | bash\necho $?\nbash -s p q <<EOF\necho "\\$1 \\$2"\nEOF',
  },
  {
    name: 'redirections of a function and a loop',
    source:
      'D=$(mktemp -d)\nf() { echo o; echo e >&2; }\nf > $D/o 2> $D/e\ncat $D/o $D/e\nfor i in 1 2; do f; done > $D/l 2>&1\ncat $D/l',
  },
  { name: 'substitution in arguments', source: 'echo "$(echo a; echo b)" `echo c` $(printf "%s " x y)' },
  {
    name: 'a script that redirects itself',
    source: 'D=$(mktemp -d)\nexec 3>&1 > $D/log\necho hidden\nexec >&3\ncat $D/log',
  },
  { name: 'arithmetic that fails', source: '((1 == 2)) || echo no\nlet x=5+1\necho $x\necho $((0x10 + 010))' },
  { name: 'nested quotes through bash -c', source: 'V="a  b"\nbash -c "echo \'$V\'; echo \\"$V\\"; echo $V"' },
  {
    name: 'xargs and find see files',
    source: 'D=$(mktemp -d)\ntouch $D/a $D/b\nls $D | xargs -n 1 echo f\nfind $D -type f | wc -l',
  },
];
