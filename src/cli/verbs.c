/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of verbs. Promise: whatever a user can type stands here once, with its help and examples; parser, help,
 * manual page and completion are made from it. Must not: contain code.
 */
#include "cli.h"

#define END_OPTIONS                 \
	{                           \
		0, NULL, NULL, NULL \
	}
#define END_EXAMPLES       \
	{                  \
		NULL, NULL \
	}
#define OPTIONS(...)                     \
	(const struct cli_option[])      \
	{                                \
		__VA_ARGS__, END_OPTIONS \
	}
#define EXAMPLES(...)                     \
	(const struct cli_example[])      \
	{                                 \
		__VA_ARGS__, END_EXAMPLES \
	}

/* clang-format off */
#define OPT_JSON {0, "json", NULL, "print JSON with stable field names (see docs/json.md) instead of text"}
#define OPT_SANDBOX {0, "name", "NAME", "which sandbox, when there are several (default: $GODWIT_SANDBOX, else \"default\")"}

const struct cli_option cli_common_options[] = {
	{'h', "help", NULL, "show the help of this verb"},
	{0, "at", "NODE|SOCKET", "ask that daemon: the path of a control socket, or a node of the sandbox (default: $GODWIT_SOCKET)"},
	END_OPTIONS
};

static const struct cli_verb sandbox_verbs[] = {
	{
		.name = "up", .args = "[N]", .summary = "make a cluster of N nodes (default 3) on this machine",
		.text = "Each node has its own network, process ids, host name, /run and share of processors and memory, and runs its "
			"own daemon; they are called n1, n2 and so on and see each other at 10.77.0.1, 10.77.0.2, ... Files outside /run "
			"and /dev/shm are those of this machine. Nothing touches the machine's own network. Needs root.\n\n"
			"When there are enough processors, each node gets its own ones; otherwise the nodes share them, each with a "
			"limit. The command returns when all nodes see each other, or says after 15 seconds which do not.",
		.options = OPTIONS({0, "cpus-per-node", "F", "processors of a node, e.g. 0.5 (default: 1, or an equal share)"},
			{0, "memory", "SIZE", "memory of a node, e.g. 512M or 2G (default: an equal share)"},
			{0, "bare", NULL, "start the daemons, but make no cluster of them"},
			{0, "keep", NULL, "leave everything in place when it fails, to look at it"}, OPT_SANDBOX),
		.examples = EXAMPLES({"sudo godwit sandbox up 4", "four nodes, n1 to n4"},
			{"sudo godwit sandbox up 2 --cpus-per-node 0.5 --memory 512M", "two small nodes"}),
		.run = verb_sandbox_up, .max_args = 1,
	}, {
		.name = "on", .args = "NODE COMMAND [ARGUMENT...]", .summary = "run a command on a node of the sandbox",
		.text = "The command becomes a process of that node, with the terminal, directory, environment and descriptors of the "
			"caller. The exit code is the command's; if a signal ends the command, the same signal ends this one.",
		.options = OPTIONS({'u', "user", "USER", "run it as that user"}, OPT_SANDBOX),
		.examples = EXAMPLES({"sudo godwit sandbox on n1 godwit nodes", "what n1 knows of the cluster"},
			{"sudo godwit sandbox on n1 bash", "a shell on n1"},
			{"sudo godwit sandbox on -u nobody n1 godwit run sha256sum /dev/zero", "something to move"}),
		.run = verb_sandbox_on, .min_args = 2, .max_args = -1, .command = true,
	}, {
		.name = "status", .args = "", .summary = "show the nodes of the sandbox",
		.text = "STATE is up, stalled (see sandbox stall), cut (see sandbox net), starting (the daemon does not answer), or dead. "
			"The exit code is 0 when all nodes are up, 3 when one is not, 4 when there is no sandbox.",
		.options = OPTIONS(OPT_JSON, OPT_SANDBOX),
		.examples = EXAMPLES({"sudo godwit sandbox status", "a line for each node"}),
		.run = verb_sandbox_status,
	}, {
		.name = "down", .args = "", .summary = "end the sandbox and remove all traces of it",
		.text = "Ends every process on every node, wherever they have moved, and removes the namespaces, control groups, mounts "
			"and files. Works also after a crash half way and with a damaged state file. It looks afterwards whether anything is "
			"left, and says so. It is no error when there is no sandbox.",
		.options = OPTIONS(OPT_SANDBOX),
		.examples = EXAMPLES({"sudo godwit sandbox down", "as if it had never been"}),
		.run = verb_sandbox_down,
	}, {
		.name = "start", .args = "NODE", .summary = "start a node again that was killed",
		.text = "The node comes back with the keys and settings it had, as a machine does after a power failure.",
		.options = OPTIONS(OPT_SANDBOX),
		.examples = EXAMPLES({"sudo godwit sandbox kill n3 all && sudo godwit sandbox start n3", "a power failure of n3"}),
		.run = verb_sandbox_start, .min_args = 1, .max_args = 1,
	}, {
		.name = "net", .args = "loss NODE PERCENT | cut NODE | heal NODE", .summary = "disturb the network of a node",
		.text = "loss drops that share of the packets that the node sends and of those it receives; cut pulls its cable; heal "
			"undoes both. loss needs the program nft.",
		.options = OPTIONS(OPT_SANDBOX),
		.examples = EXAMPLES({"sudo godwit sandbox net loss n2 5", "one packet in twenty is lost, each way"},
			{"sudo godwit sandbox net cut n2", "n2 is gone for the others"}, {"sudo godwit sandbox net heal n2", "as before"}),
		.run = verb_sandbox_net, .min_args = 2, .max_args = 3,
	}, {
		.name = "cpu", .args = "NODE F", .summary = "change how many processors a node has",
		.text = "F is the new limit in processors, from 0.01 on. The node is no longer tied to certain processors then.",
		.options = OPTIONS(OPT_SANDBOX),
		.examples = EXAMPLES({"sudo godwit sandbox cpu n3 0.05", "n3 becomes very slow"}),
		.run = verb_sandbox_cpu, .min_args = 2, .max_args = 2,
	}, {
		.name = "memory", .args = "NODE SIZE", .summary = "change how much memory a node has",
		.text = "When the node uses more than that already, the kernel takes it away from it, and may end processes there.",
		.options = OPTIONS(OPT_SANDBOX),
		.examples = EXAMPLES({"sudo godwit sandbox memory n2 256M", "n2 becomes small"}),
		.run = verb_sandbox_memory, .min_args = 2, .max_args = 2,
	}, {
		.name = "stall", .args = "NODE on|off", .summary = "freeze a node, or let it go on",
		.text = "A stalled node keeps its connections but does nothing at all, like a machine that is swapping to death.",
		.options = OPTIONS(OPT_SANDBOX),
		.examples = EXAMPLES({"sudo godwit sandbox stall n2 on", "n2 stands still"}, {"sudo godwit sandbox stall n2 off", "and goes on"}),
		.run = verb_sandbox_stall, .min_args = 2, .max_args = 2,
	}, {
		.name = "kill", .args = "NODE daemon|launcher|all", .summary = "kill a part of a node with SIGKILL",
		.text = "daemon and launcher are started again at once by the node; all ends the whole node, as a power failure would.",
		.options = OPTIONS(OPT_SANDBOX),
		.examples = EXAMPLES({"sudo godwit sandbox kill n1 daemon", "processes must not notice"}),
		.run = verb_sandbox_kill, .min_args = 2, .max_args = 2,
	},
	{ .name = NULL },
};

const struct cli_verb cli_verbs[] = {
	{
		.name = "run", .group = "Programs", .args = "COMMAND [ARGUMENT...]", .summary = "start a program that the cluster may move",
		.text = "The program and all its children may be moved to other nodes and back while they run; what they see stays as it is "
			"here: process id, files, terminal, directory. As long as it is here, it costs nothing.\n\n"
			"The command replaces godwit, so it is a direct child of the caller and the exit code is its own; 125 means that godwit "
			"itself failed, 126 that the command cannot be executed, 127 that there is none. Without a daemon the command simply "
			"runs here, and godwit says so once.",
		.options = OPTIONS({'n', "node", "NODE", "start, and move to that node as soon as it runs"},
			{0, "home", NULL, "start at home, whatever the load; it may be moved later"},
			{0, "pin", NULL, "never move it or its children automatically"},
			{0, "treat", "HOW", "treat it and its children as cpu or io (see godwit treat)"}),
		.examples = EXAMPLES({"godwit run make -j8", "the compilers spread over the cluster"},
			{"godwit run --node n2 ./simulate input", "begin on n2"}),
		.run = verb_run, .min_args = 1, .max_args = -1, .command = true,
	}, {
		.name = "exec", .args = "COMMAND [ARGUMENT...]", .summary = "execute a command on another node",
		.text = "The command is started over there, as the same user, in the same directory, with this environment, umask, limits and "
			"niceness; its input and output, signals and the terminal are those of this command. What it opens it opens there: the "
			"directory must be shared by the nodes, and that is checked. Nothing is migrated.\n\n"
			"Without --node or --from the least loaded node of the cluster is taken; when that is this one, the command simply runs here. "
			"The exit code is the command's own; if a signal ends it, the same signal ends this command. 125 means that godwit failed, or "
			"that the link was lost, 126 that the command cannot be executed, 127 that there is none. When this command "
			"ends, the other does, and all that it has started.",
		.options = OPTIONS({'n', "node", "NODE", "on that node"},
			{0, "from", "NODE,NODE...", "on the least loaded of these"},
			{0, "best", NULL, "on the least loaded of all, which is the default"},
			{0, "or-local", NULL, "run it here, and say so, when it cannot be begun there"},
			{0, "no-stdin", NULL, "read nothing here: its standard input is empty"},
			{0, "no-tty", NULL, "no terminal there, also when there is one here"},
			{0, "time", NULL, "when it has ended, print where it ran, how long, and what it used"},
			{0, "clear-env", NULL, "pass on no variables of the environment but those of --env"},
			{0, "env", "NAME,NAME...", "variables that --clear-env leaves"}),
		.examples = EXAMPLES({"godwit exec make -C src", "on the node that has least to do"},
			{"godwit exec --node n2 uname -n", "on n2"},
			{"godwit exec --from n2,n3 --or-local gcc -c big.c", "on one of them, else here"}),
		.run = verb_exec, .min_args = 1, .max_args = -1, .command = true,
	}, {
		.name = "make", .args = "[ARGUMENT OF MAKE...]", .summary = "build with make, the recipes spread over the nodes",
		.text = "GNU make runs here, unmodified, and each command of a recipe is started on the node that has most to spare; their "
			"directory must be shared by the nodes, and that is checked. How many run at once follows from what is free on the nodes; "
			"-j of yours is an upper bound. A command that fails because of its node is run again elsewhere, and said so.\n\n"
			"The first argument that is none of the options below begins those of make. The exit code is make's. See "
			"docs/cluster-make.md.",
		.options = OPTIONS({0, "local", "PATTERN", "commands that match this pattern of a shell run here; may be repeated"},
			{0, "report", "FILE", "write a page (HTML) that shows which command ran when and where"},
			{0, "tool", "PROGRAM", "that program instead of make: another GNU make, or ninja"},
			{0, "no-stdin", NULL, "the build has no standard input; without that, a command that has one which it shares runs here"},
			{0, "quiet", NULL, "no summary"}),
		.examples = EXAMPLES({"godwit make", "as make -j with all nodes"},
			{"godwit make --local '*install*' --report build.html all check", "with a page about it"},
			{"godwit make --tool ninja -C build", "ninja instead of make"}),
		.run = verb_make, .min_args = 0, .max_args = -1, .command = true, .foreign = true,
	}, {
		.name = "cc", .args = "[ARGUMENT OF THE COMPILER...]", .summary = "compile on another node: CC=\"godwit cc\"",
		.text = "Executes the compiler of GODWIT_CC (default: cc) with these arguments: with -c or -S on the node that has least to do, "
			"otherwise here. The directory must be shared by the nodes, and that is checked. When the node fails, it is compiled "
			"here, and said so. For builds whose tool is neither make nor ninja, where godwit make would do more.",
		.examples = EXAMPLES({"godwit cc -c big.c", "as cc -c, on the node that has least to do"},
			{"GODWIT_CC=clang godwit cc -c big.c", "with another compiler"}),
		.run = verb_cc, .min_args = 0, .max_args = -1, .command = true, .foreign = true,
	}, {
		.name = "recipe", .args = "SOCKET FILE ARGUMENT...", .summary = "one command of godwit make",
		.text = "godwit make has make start this.",
		.run = verb_recipe, .min_args = 3, .max_args = -1, .command = true, .foreign = true, .hidden = true,
	}, {
		.name = "migrate", .args = "PID NODE|home|best", .summary = "move a running process now",
		.text = "Waits until the process runs at its new place and prints how long it stood still, how long it all took and how "
			"many bytes travelled. Any process of yours may be moved, also one that was not started by godwit run. Whatever fails, the "
			"process goes on where it was, and the message says why.",
		.options = OPTIONS({'n', "dry-run", NULL, "move nothing; say whether it could move, every objection, and the expected cost"}, OPT_JSON),
		.examples = EXAMPLES({"godwit migrate 4711 n2", "to n2"}, {"godwit migrate 4711 home", "back to where it was started"},
			{"godwit migrate --dry-run 4711 best", "what would happen"}),
		.run = verb_migrate, .min_args = 2, .max_args = 2,
	}, {
		.name = "ps", .args = "", .summary = "list the processes that matter to Godwit on this node",
		.text = "NODE is where a process computes, HOME where it was started. STATE is home, moving, away (it computes elsewhere) or "
			"guest (it came from elsewhere). CPU is in processors, MOVES counts its moves, CALLS/s the system calls that go "
			"home, REASON the word for what keeps it home or brought it home last; godwit why PID has the sentence.",
		.options = OPTIONS({'a', "all", NULL, "also processes that are moved only by hand"}, OPT_JSON),
		.examples = EXAMPLES({"godwit ps", "what moves"}, {"godwit ps --all --json", "everything, for a script"}),
		.run = verb_ps,
	}, {
		.name = "where", .args = "PID", .summary = "say on which node a process computes",
		.text = "Prints the name of the node, and nothing else.",
		.options = OPTIONS(OPT_JSON),
		.examples = EXAMPLES({"godwit where 4711", "for instance: n2"}),
		.run = verb_where, .min_args = 1, .max_args = 1,
	}, {
		.name = "why", .args = "PID", .summary = "say in words what keeps a process where it is",
		.text = "Lists everything that keeps the process from moving, and which system calls it makes over the network. A guest is named by "
			"its process id at home, as godwit ps shows it; what is known of it is known there, and the answer says where that is. The "
			"exit code is 0 whatever the answer.",
		.options = OPTIONS(OPT_JSON),
		.examples = EXAMPLES({"godwit why 4711", "what must change before it can move"}),
		.run = verb_why, .min_args = 1, .max_args = 1,
	}, {
		.name = "pin", .args = "PID...", .summary = "do not move these processes automatically",
		.text = "A pinned process stays where it is now; by hand (godwit migrate) it still moves. Children that it creates from "
			"then on are pinned too; those that it has are not.",
		.options = NULL, .examples = EXAMPLES({"godwit pin 4711", "stay"}),
		.run = verb_pin, .min_args = 1, .max_args = -1,
	}, {
		.name = "unpin", .args = "PID...", .summary = "let pinned processes move again",
		.text = "The opposite of godwit pin.",
		.options = NULL, .examples = EXAMPLES({"godwit unpin 4711", "go where there is room"}),
		.run = verb_unpin, .min_args = 1, .max_args = -1,
	}, {
		.name = "treat", .args = "auto|cpu|io|alone PID...", .summary = "say what kind of process it is",
		.text = "By itself (auto) the balancer weighs the system calls that a process sends home, as it measures them. cpu: they do not "
			"count, it goes where the processors are. io: its place is at home; it is called home when it is away, and only leaves "
			"when memory is short. alone: as godwit pin. A process may say it of itself, and children that it creates from then on "
			"begin with it.",
		.options = NULL, .examples = EXAMPLES({"godwit treat cpu 4711", "its calls will soon end"},
			{"godwit treat io $$", "this shell and what it starts stay near their files"}),
		.run = verb_treat, .min_args = 2, .max_args = -1,
	}, {
		.name = "trace", .args = "PID", .summary = "show the system calls that a process sends home",
		.text = "One line for each call as it is made, until the process ends or comes home or the command is interrupted. Calls that the "
			"host answers itself are not shown: they cost nothing.",
		.options = OPTIONS(OPT_JSON),
		.examples = EXAMPLES({"godwit trace 4711", "what makes it slow when it is away"}),
		.run = verb_trace, .min_args = 1, .max_args = 1,
	}, {
		.name = "nodes", .group = "Nodes", .args = "", .summary = "list the nodes of the cluster",
		.text = "STATE is up, unknown (not heard of yet), dead (silent), unreachable, version, key, leaving, or single (no cluster); a flag "
			"behind it says that the node keeps its processes (stay) or takes no guests (blocked). SPEED 10000 is the standard "
			"machine. LOAD is in processors, AGE says how old the figures are.",
		.options = OPTIONS(OPT_JSON),
		.examples = EXAMPLES({"godwit nodes", "who is there and how busy"}),
		.run = verb_nodes,
	}, {
		.name = "node", .args = "stay|nostay|block|unblock|expel|reload [NODE]", .summary = "say what a node gives and takes",
		.text = "stay: processes of this node are not moved away automatically. nostay: they are. block: no guests are taken. unblock: they are. "
			"expel: block, and send home the guests that are here. reload: the node's configuration file is read again. Only root may; the "
			"settings survive a restart. Without NODE, "
			"this node is meant; another node of the cluster is told by this node's daemon.",
		.options = OPTIONS(OPT_JSON),
		.examples = EXAMPLES({"sudo godwit node expel", "I need my machine for myself"}, {"sudo godwit node unblock", "guests are welcome again"}),
		.run = verb_node, .min_args = 1, .max_args = 2,
	}, {
		.name = "doctor", .args = "", .summary = "look for what is wrong or missing, and say how to mend it",
		.text = "Checks kernel features, limits, clock, keys, the launcher and the way to each node. Each line is ok, warn (something is slower or "
			"not available) or fail, with the mending command below it. The exit code is 0 unless a check fails.",
		.options = OPTIONS(OPT_JSON),
		.examples = EXAMPLES({"godwit doctor", "before you ask anybody"}),
		.run = verb_doctor,
	}, {
		.name = "init", .group = "Membership", .args = "", .summary = "make this node the first one of a new cluster",
		.text = "Makes the keys of the cluster and of this node. Then make a token for each further node with godwit token.",
		.options = OPTIONS({0, "name", "NAME", "how the node is called (default: the host name)"},
			{0, "address", "ADDRESS", "where the others reach it (default: the address of the default route)"},
			{0, "port", "PORT", "TCP port (default: 7117)"}, OPT_JSON),
		.examples = EXAMPLES({"sudo godwit init", "a cluster of one"}),
		.run = verb_init,
	}, {
		.name = "token", .args = "", .summary = "make a token with which one other node may join",
		.text = "Prints one line. It serves one node, once, within three hours. It is a secret: who holds it can become a node.",
		.options = OPTIONS(OPT_JSON),
		.examples = EXAMPLES({"sudo godwit token | ssh root@other godwit join -", "without showing it to anybody"}),
		.run = verb_token,
	}, {
		.name = "join", .args = "TOKEN|-", .summary = "join the cluster that made the token",
		.text = "- reads the token from standard input, where other users of the machine cannot see it.",
		.options = OPTIONS({0, "name", "NAME", "how this node is called (default: the host name)"},
			{0, "address", "ADDRESS", "where the others reach it (default: the address of the default route)"},
			{0, "port", "PORT", "TCP port (default: 7117)"}, OPT_JSON),
		.examples = EXAMPLES({"sudo godwit join - < token", "become a node of it"}),
		.run = verb_join, .min_args = 1, .max_args = 1,
	}, {
		.name = "client", .args = "add|list|remove [CLIENT]", .summary = "let machines outside of the cluster execute commands",
		.text = "add prints one line, a secret, with which godwit-client on another machine has commands executed through this node, always "
			"as the user of --user. list shows who has one. remove revokes it: it is refused from then on, and what it runs is "
			"ended. Only root may. See docs/client.md.",
		.options = OPTIONS({0, "user", "USER", "add: as whom the commands are executed"},
			{0, "expires", "TIME", "add: refuse it after that time, as 12h or 30d (default: never)"},
			{0, "name", "TEXT", "add: a name for list"}, OPT_JSON),
		.examples = EXAMPLES({"sudo godwit client add --user anna --expires 30d >key", "a key for Anna's laptop"},
			{"sudo godwit client remove 1f0c3a5be2d47c88", "that one no more"}),
		.run = verb_client, .min_args = 1, .max_args = 2,
	}, {
		.name = "leave", .args = "", .summary = "leave the cluster and forget its keys",
		.text = "Brings home what is away and sends home the guests first. Refused while something could not be brought home; may be repeated.",
		.options = NULL, .examples = EXAMPLES({"sudo godwit leave", "a machine on its own again"}),
		.run = verb_leave,
	}, {
		.name = "sandbox", .group = "Trying it out", .args = "VERB", .summary = "a whole cluster on this one machine",
		.text = "For trying, teaching and testing. Needs root, but no configuration and no other machine.",
		.options = NULL, .examples = EXAMPLES({"sudo godwit sandbox up 4", "four nodes in a few seconds"},
			{"sudo godwit sandbox on n1 godwit nodes", "look at them"}, {"sudo godwit sandbox down", "nothing is left"}),
		.sub = sandbox_verbs,
	}, {
		.name = "sandbox-init", .args = "", .summary = "the first process of a node of the sandbox", .text = "Started by godwit sandbox up only.",
		.options = OPTIONS({0, "node", "NODE", "name"}, {0, "address", "ADDRESS", "address"}, {0, "dir", "DIR", "directory of the node"},
			{0, "programs", "DIR", "where godwitd is"}, {0, "cpus", "F", "processors, where the kernel sets no limit"},
			{0, "bytes", "SIZE", "memory, where the kernel sets no limit"}),
		.run = verb_sandbox_init, .hidden = true,
	}, {
		.name = "sim", .args = "FILE", .summary = "simulate a cluster: thousands of nodes in virtual time",
		.text = "Each simulated node decides by the same code as the daemon. FILE says what the cluster is like and what work arrives "
			"(docs/simulator.md tells how; docs/scenarios has examples). Prints a table with a column for each strategy; the "
			"same file and seed give the same table.",
		.options = OPTIONS({0, "strategy", "NAMES", "strategies with commas between them: none, round-robin, least-loaded, policy-place, policy-move, policy, economic, one-machine (default: all)"},
			{0, "seed", "N", "of all luck (default: as the file says)"},
			{0, "set", "SETTINGS", "change keys of the file, e.g. policy.window=32,network.loss_percent=5"},
			{0, "compare", NULL, "all strategies on many scenarios drawn from the ranges in FILE"},
			{0, "scenarios", "N", "how many scenarios --compare draws (default: as the file says)"},
			{0, "replay", NULL, "FILE is a recording of godwitd --record: see that the policy decides the same again"},
			{0, "rewrite", "PATH", "instead of comparing: write there the recorded events with what this version decides"},
			{0, "csv", "PATH", "write the results there, too, a line for each strategy"},
			{0, "plot", "PATH", "draw two plots there, as SVG"}, OPT_JSON),
		.examples = EXAMPLES({"godwit sim burst.sim", "what the policy makes of that work, and what others would"},
			{"godwit sim --strategy policy --seed 7 --set policy.residence_ms=10000 burst.sim", "with another parameter"},
			{"godwit sim --compare compare.sim --scenarios 300", "on many random clusters"},
			{"godwit sim --replay /tmp/n1.rec", "would this version have decided the same?"}),
		.run = verb_sim, .min_args = 1, .max_args = 1,
	}, {
		.name = "help", .group = "Help", .args = "[VERB...]", .summary = "explain a verb, or list all",
		.text = "godwit VERB --help shows the same.",
		.options = NULL, .examples = EXAMPLES({"godwit help migrate", "the help of migrate"}, {"godwit help sandbox net", "of a verb of the second level"}),
		.run = verb_help, .max_args = 2,
	}, {
		.name = "version", .args = "", .summary = "print the version",
		.text = "godwit --version does the same.",
		.options = NULL, .examples = EXAMPLES({"godwit version", "one line"}),
		.run = verb_version,
	},
	{ .name = NULL },
};
/* clang-format on */
