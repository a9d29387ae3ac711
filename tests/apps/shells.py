#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# check: timeout 1200
"""Shells: scripts whose output must be that of a run that was not moved, and bash and vim at a terminal, whose screen must be.

  shells.py [--seed N] [NAME...]      a script of tests/apps/src without .sh, or: terminal terminal-server

bash and every process below it are moved at random. At the terminal (tmux, on a socket of its own) the keys are typed while they
are moved, and after each step the screen must become the one of the session that was not; in terminal-server tmux is moved, too.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import apps
import promises

SCRIPTS = {'pipes': 30, 'traps': 40, 'jobs': 10, 'subshells': 20, 'heredocs': 8, 'coprocs': 250}  # name -> rounds: a second or so
TERMINALS = ['terminal', 'terminal-server']
NEEDED = {n: [('bash', 'bash'), ('awk', 'gawk')] for n in SCRIPTS}
NEEDED.update({n: [('bash', 'bash'), ('tmux', 'tmux'), ('vim.tiny', 'vim-tiny')] for n in TERMINALS})
MOVES = 60 if apps.FULL else 25  # of each
TIMES = 40       # a script is run again until it has had them
BUDGET = 240
STEP_DEADLINE = 60


def script(y, name, rng):
    command = ['/bin/bash', f'{apps.SOURCES}/{name}.sh', str(SCRIPTS[name])]
    want = promises.unmoved(command)
    assert not re.search(rb'^(not:|job .* is not|no answer)', want[1], re.M), f'{name} fails without being moved: {want}'
    moves, herd = 0, None
    for _ in range(TIMES):
        p = promises.Program(command)
        try:
            herd = apps.Herd(y, rng, lambda: [p.pid], pause=0.1)
            got = p.finish(herd.pump, BUDGET)
            herd.settle()
        finally:
            p.close()
        moves += herd.total()
        bad = apps.difference(name, want, got) + [f'{name}: {x}' for x in herd.lost]
        if bad or moves >= MOVES:
            return bad, f'{moves} moves; in the last run {herd.told()}'
    return [f'{name}: only {moves} of {MOVES} moves were possible; {herd.told()}'], ''


# ---- at a terminal ---------------------------------------------------------------------------------------------------

# (keys as `tmux send-keys` has them, what the screen must hold before it is learnt; =: all that it must be). No
# key is typed before what is to read it has set the terminal: else it shows twice, or not at all.
HELLO = [
    (['echo hello $((6 * 7))', 'Enter'], 'hello 42\n$'),
    (['read -r -p "what? " x; echo "[$x]"', 'Enter'], '\nwhat?'),
    (['some words', 'BSpace', 'BSpace', 'BSpace', 'Enter'], '[some wo]\n$'),
    (['cat', 'Enter'], '$ cat\n'),
    (['back again', 'Enter'], 'back again\nback again\n'),
    (['C-c'], '^C\n$'),
    (['echo $?', 'Enter'], '130\n$'),
    (['cat', 'Enter'], '130\n$ cat\n'),
    (['until the end', 'Enter'], 'until the end\nuntil the end\n'),
    (['C-d'], 'until the end\nuntil the end\n$'),
    (['C-l'], '=$'),
]
JOBS = [
    (['sleep 1000', 'Enter'], '$ sleep 1000\n'),
    (['C-z'], 'Stopped                 sleep 1000\n$'),
    (['jobs', 'Enter'], '$ jobs\n[1]+  Stopped                 sleep 1000\n$'),
    (['bg', 'Enter'], '$ bg\n[1]+ sleep 1000 &\n$'),
    (['fg', 'Enter'], '$ fg\nsleep 1000\n'),
    (['C-c'], '^C\n$'),
    (['echo $?', 'Enter'], '130\n$'),
    (['sleep 1000 | cat', 'Enter'], '$ sleep 1000 | cat\n'),
    (['C-z'], 'Stopped                 sleep 1000 | cat\n$'),
    (['fg', 'Enter'], '$ fg\nsleep 1000 | cat\n'),
    (['C-c'], '^C\n$'),
    (['sleep 1001', 'Enter'], '$ sleep 1001\n'),
    (['C-\\'], 'Quit'),
    (['clear', 'Enter'], '=$'),
]
EDITING = [
    (['echo one three', 'M-b', 'two ', 'C-a', 'C-k', 'C-y', 'Enter'], 'one two three\n$'),
    (['C-r', 'hello', 'Enter'], 'hello 42\n$'),
    (['Up', 'Up', 'C-e', ' four', 'Enter'], 'one two three four\n$'),
    (['cat a-long-na', 'Tab'], 'a-long-name'),
    (['Enter'], 'contents\n$'),
    (['ls a', 'Tab', 'Tab'], 'another'),
    (['C-u', 'for i in 1 2 3', 'Enter'], '3\n>'),
    (['do echo $i', 'Enter'], '$i\n>'),
    (['done', 'Enter'], '1\n2\n3\n$'),
    (['C-l'], '=$'),
]
VIM = [
    (['vim.tiny -u NONE -i NONE -N text', 'Enter'], '"text"'),
    (['ifirst line', 'Enter', 'second line', 'Enter', 'third', 'Escape'], 'third'),
    ([':%s/line/LINE/g', 'Enter'], 'second LINE'),
    (['ggyyGp', 'u', 'C-r', '.'], 'first LINE'),
    ([':split', 'Enter', 'Go', 'below', 'Escape'], 'below'),
    (['C-z'], 'Stopped'),
    (['jobs', 'Enter'], 'Stopped                 vim.tiny'),
    (['fg', 'Enter'], 'below'),
    (['resize 100 30'], 'below'),
    ([':set number', 'Enter'], ' 1 '),
    (['resize 70 20'], 'below'),
    ([':only', 'Enter', ':wq', 'Enter'], 'N text\n$'),
    (['clear', 'Enter'], '=$'),
    (['cat text; stty size; echo $LINES $COLUMNS', 'Enter'], '20 70\n20 70\n$'),
]
WINDOW = [
    (["trap 'echo resized' WINCH", 'Enter'], 'WINCH\n$'),
    (['resize 80 24'], 'resized'),
    (['Enter'], 'resized\n\n$'),
    (['trap - WINCH; clear; (read -r -p "? " x; echo "read $x"; exit 3)', 'Enter'], '=?'),
    (['typed', 'Enter'], 'read typed\n$'),
    (['echo $?; stty size', 'Enter'], '3\n24 80\n$'),
    (['exit', 'Enter'], None),
]
STEPS = HELLO + JOBS + EDITING + VIM + WINDOW


class Terminal:
    """A tmux with one window, in a directory of its own; `pump` is called in every wait."""

    def __init__(self, pump):
        self.pump = pump
        self.p = promises.Program([apps.which('tmux'), '-D', '-f', '/dev/null', '-S', 'socket'],
                                  more_env={'TERM': 'xterm', 'HISTFILE': '', 'SHELL': '/bin/bash'})
        for name, text in (('a-long-name', 'contents\n'), ('another', '')):
            with open(f'{self.p.dir}/{name}', 'w') as f:
                f.write(text)
        promises.wait_until('tmux listens', lambda: os.path.exists(f'{self.p.dir}/socket') or self.p.ended(), 30, pump)
        self.tmux('set-option', '-g', 'status', 'off', ';', 'set-option', '-g', 'default-terminal', 'screen', ';',
                  'set-option', '-g', 'escape-time', '0')
        self.tmux('new-session', '-d', '-x', '80', '-y', '24', '-s', 's', '-c', self.p.dir, "exec env PS1='$ ' bash --norc --noprofile -i")
        self.pane = int(self.tmux('display-message', '-p', '-t', 's', '#{pane_pid}'))

    def tmux(self, *words):
        """A client of tmux; it may have to wait for a server that is just being moved."""
        with tempfile.TemporaryFile() as out:
            p = subprocess.Popen([apps.which('tmux'), '-S', 'socket', *words], cwd=self.p.dir, env=promises.env(TERM='xterm'),
                                 stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            try:
                promises.wait_until(f'tmux {words[0]}', lambda: p.poll() is not None, STEP_DEADLINE, self.pump)
            finally:
                if p.poll() is None:
                    p.kill()
                    p.wait(10)
            out.seek(0)
            text = out.read().decode('utf-8', 'replace')
        assert p.returncode == 0, f'tmux {" ".join(words)}: {text}'
        return text

    def type(self, keys):
        if keys[0].startswith('resize '):
            _, x, y = keys[0].split()
            self.tmux('resize-window', '-t', 's', '-x', x, '-y', y)
            keys = keys[1:]
        for key in keys:
            named = key in ('Enter', 'BSpace', 'Tab', 'Up', 'Escape') or (len(key) == 3 and key[1] == '-' and key[0] in 'CM')
            self.tmux('send-keys', '-t', 's', *([] if named else ['-l']), key)

    def screen(self):
        lines = [line.rstrip() for line in self.tmux('capture-pane', '-p', '-t', 's').split('\n')]
        # The command in the foreground: before it has the terminal, a key would be the shell's.
        cursor = self.tmux('display-message', '-p', '-t', 's', '#{cursor_x},#{cursor_y} #{pane_width}x#{pane_height} #{pane_current_command}').strip()
        return '\n'.join(lines).rstrip('\n') + f'\n-- cursor {cursor}'

    def close(self):
        self.p.close()


def holds(screen, text):
    body = screen.rpartition('\n-- cursor')[0]
    return body == text[1:] if text[:1] == '=' else text in body + '\n'


def steady(t, text):
    """The screen, when it holds the text and does not change any more."""
    last, since, end = '', time.monotonic(), time.monotonic() + STEP_DEADLINE
    while True:
        now = t.screen()
        if now != last:
            last, since = now, time.monotonic()
        elif holds(now, text) and time.monotonic() - since > 0.3:
            return now
        assert time.monotonic() < end, f'the screen has no "{text}":\n{now}'
        t.pump(0.02)


def has_ended(pid):
    """tmux may leave it a zombie: it misses a SIGCHLD that comes while libutempter has the default action for it."""
    return 'State' not in (s := promises.state(pid)) or '(zombie)' in s


def learn():
    """The screens of a session that is not moved, and the file that vim wrote."""
    t = Terminal(lambda timeout: promises.select.select([], [], [], timeout))
    try:
        screens = []
        for keys, text in STEPS:
            t.type(keys)
            if text is not None:
                screens.append(steady(t, text))
        with open(f'{t.p.dir}/text', 'rb') as f:
            written = f.read()
        promises.wait_until('bash has ended', lambda: has_ended(t.pane), STEP_DEADLINE)
        return screens, written
    finally:
        t.close()


def terminal(y, name, rng):
    screens, written = learn()
    herd = apps.Herd(y, rng, list, pause=0.1)
    t = Terminal(herd.pump)
    try:
        top = t.p.pid if name == 'terminal-server' else t.pane
        herd.roots = lambda: [top] if os.path.exists(f'/proc/{top}') else []
        for i, (keys, text) in enumerate(STEPS):
            moved = herd.total()
            t.type(keys)
            if text is None:
                break
            seen = ['']

            def right(i=i, seen=seen):
                seen[0] = t.screen()
                return seen[0] == screens[i]
            try:
                herd.until(f'the screen after {keys}', right, STEP_DEADLINE)
            except AssertionError as e:
                raise AssertionError(f'{name}: {e}\n--- not moved\n{screens[i]}\n--- moved\n{seen[0]}\n{herd.told()}') from None
            # The next keys come to a process that has been moved meanwhile, or is just being.
            herd.until('another move', lambda moved=moved: herd.total() > moved or herd.refused.total(), STEP_DEADLINE)
        with open(f'{t.p.dir}/text', 'rb') as f:
            got = f.read()
        try:
            herd.until('bash has ended', lambda: has_ended(t.pane), STEP_DEADLINE)
        except AssertionError as e:
            raise AssertionError(f'{name}: {e}\n{promises.state(t.pane)}\n{herd.told()}') from None
        herd.settle()
        bad = [f'{name}: {x}' for x in herd.lost]
        if got != written:
            bad.append(f'{name}: vim wrote {got} instead of {written}')
        for program in ['bash', 'vim.tiny'] + ['tmux: server'] * (name == 'terminal-server'):
            if not herd.moves[program]:
                bad.append(f'{name}: {program} was never moved')
        if herd.total() < MOVES:
            bad.append(f'{name}: only {herd.total()} of {MOVES} moves were possible')
        return bad, f'{len(screens)} screens; {herd.told()}'
    finally:
        t.close()


def run(argv):
    rng = promises.seed_of(argv)
    names = apps.present(NEEDED, promises.names_of(argv) or [*SCRIPTS, *TERMINALS])
    bad = promises.in_parallel(names, lambda y, name: (script if name in SCRIPTS else terminal)(y, name, promises.luck_of(rng, name)))
    assert not bad, f'{len(bad)} differences'


promises.main(run)
