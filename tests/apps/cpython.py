#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# check: timeout 3600
"""CPython's own regression tests, the interpreter and its children moved several times a second: each test case ends as in
a run that was not moved.

  cpython.py [--seed N] [MODULE...]      GODWIT_AT_ONCE=N (3) at once. Perl's and Tcl's own tests are in no package of Debian

Each module runs twice in an interpreter of its own, as an unprivileged user. Where the two differ, the names of the cases are
printed; what differs rightly stands in RIGHT, with the reason.
"""
import glob
import os
import re
import shutil
import sys
import tempfile
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib'))
import apps
import promises

NOBODY = 65534
PAUSE = 0.2      # seconds between two moves of a process
TIMES = 8        # a module that was too quick for LEAST moves is run again, and moved more often
LEAST = 2        # moves of each module
MEAN = 8         # moves of all modules together, divided by their number
BUDGET = 600     # seconds for one run of a module
MODULES = '''
test_array test_asyncore test_atexit test_binascii test_builtin test_bytes test_bz2 test_cmd_line test_codecs test_contextlib
test_coroutines test_csv test_ctypes test_datetime test_dbm_dumb test_decimal test_deque test_dict test_eintr test_epoll
test_exceptions test_faulthandler test_fcntl test_file test_file_eintr test_fileinput test_fileio test_float test_fork1 test_ftplib
test_gc test_generators test_getpass test_glob test_grp test_gzip test_hashlib test_heapq test_httpservers test_io
test_ioctl test_itertools test_json test_list test_locale test_long test_lzma test_mailbox test_marshal test_math
test_memoryview test_mmap test_multiprocessing_fork test_multiprocessing_main_handling test_openpty test_os test_pathlib test_pickle
test_pipes test_poll test_popen test_posix test_posixpath test_pty test_pwd test_pyexpat test_queue test_random test_re test_readline
test_resource test_sched test_select test_selectors test_shelve test_shutil test_signal test_site test_socket test_socketserver
test_sort test_stat test_statistics test_struct test_subprocess test_sys test_syslog test_tarfile test_telnetlib test_tempfile
test_thread test_threadedtempfile test_threading test_threading_local test_threadsignals test_time test_timeout test_tokenize
test_tracemalloc test_unicode test_unicodedata test_urllib2_localnet test_uuid test_wait3 test_wait4 test_weakref test_xml_etree
test_zipfile test_zipimport test_zlib
'''.split()
# (pattern of module.Class.test, the outcomes that are right beside the unmoved run's, what must stand in the output then).
RIGHT = {
    # Wants an answer within 10 ms: less than a process stands still when it is moved.
    (r'test_epoll\.TestEPoll\.test_control_and_wait', ('failure',), 'then - now > 0.01'),
    # Another process holds a lock for 0.2 s; this one tries to get it every 10 ms and wants to see that it cannot. On a busy
    # machine it may stand still for longer than that.
    (r'test_eintr\.EINTRTests\.test_all', ('failure',), 'failed to sync child in 60'),
    # A write of more than there is room for is ended early by a move, and says how much it has written (docs/limits.md, "Calls
    # cut short"). This case wants it to wait for room until the signal comes.
    (r'test_io\.(C|Py)SignalsTest\.test_interrupted_write_unbuffered', ('failure',), ''),
}


def tests_of_python():
    """(interpreter, its tests) of Debian's Python."""
    found = sorted(glob.glob('/usr/lib/python3.*/test/regrtest.py'))
    if not found:
        apps.skip('libpython3.11-testsuite is not installed')
    return '/usr/bin/' + found[-1].split('/')[3]


def command(python, module):
    # -u none: nothing that wants a network, a sound card or gigabytes. -v: where it hangs, when it does.
    return [python, '-B', '-m', 'test', '-u', 'none', '--junit-xml', 'cases.xml', '--tempdir', 't', '-v', module]


def cases(path):
    """name of a case -> (outcome, what it says)"""
    found = {}
    for case in xml.etree.ElementTree.parse(path).iter('testcase'):
        outcome, text = 'passed', ''
        for tag in ('skipped', 'failure', 'error'):
            for e in case.findall(tag):
                outcome, text = tag, (e.text or e.get('message') or '').strip()
        # Sub-tests carry values in their names, such as pids and names of temporary files.
        name = re.sub(r'\d{4,}|0x[0-9a-f]+|tmp\w+', 'N', re.sub(r'^test\.', '', case.get('name')))
        if outcome != 'passed' or name not in found:
            found[name] = (outcome, text)
    return found


def place():
    """A directory for one run. Its name is short: the path of a socket has 107 bytes."""
    top = tempfile.mkdtemp(prefix='ga-')
    os.mkdir(f'{top}/t')
    for d in (top, f'{top}/t'):
        os.chmod(d, 0o777)
    return top, {'user': NOBODY, 'cwd': top, 'more_env': {'TMPDIR': f'{top}/t', 'HOME': top, 'PYTHONHASHSEED': '1'}}


def result(top, got):
    """(exit code, cases, what is left in the temporary directory)"""
    there = os.path.exists(f'{top}/cases.xml')
    return got[0], cases(f'{top}/cases.xml') if there else {}, sorted(re.sub(r'\d+', 'N', n) for n in os.listdir(f'{top}/t'))


def is_right(name, outcome, text):
    return any(re.fullmatch(pattern, name) and outcome in outcomes and said in text for pattern, outcomes, said in RIGHT)


def told_of(output):
    """Where a case has a script of its own, only the output says what went wrong there."""
    text = output.decode(errors='replace')
    at = text.find('Traceback')
    return text[max(0, at - 600):at + 2400] if at >= 0 else ''


def compare(module, want, got, output):
    bad = []
    for name in sorted(want[1].keys() | got[1].keys()):
        before, after = want[1].get(name, ('absent', '')), got[1].get(name, ('absent', ''))
        if before[0] == after[0]:
            continue
        if after[0] == 'passed' and before[0] in ('failure', 'error'):
            print(f'{name}: fails where it is not moved, on a busy machine: {before[1][-200:]}', flush=True)
        elif is_right(name, after[0], after[1] + told_of(output)):
            print(f'{name}: {after[0]} instead of {before[0]}, as it may be', flush=True)
        else:
            bad.append(f'{name}: {after[0]} instead of {before[0]}\n{after[1][-3000:]}\n{told_of(output)}')
    if not bad and want[0] != got[0] and all(want[1].get(n, ('',))[0] == got[1].get(n, ('',))[0] for n in want[1]):
        bad.append(f'{module}: code {got[0]} instead of {want[0]}\n{apps.end_of(output)}')
    if not bad and want[2] != got[2]:
        bad.append(f'{module}: leaves {got[2]} instead of {want[2]}')
    return bad


def unmoved(python, module):
    top, options = place()
    try:
        p = promises.Program(command(python, module), **options)
        try:
            got = p.finish(None, BUDGET)
        finally:
            p.close()
        want = result(top, got)
        assert want[1] or want[0] in (0, 4), f'{module} cannot be run: {got[0]} {apps.end_of(got[1])}'
        return want
    finally:
        shutil.rmtree(top, ignore_errors=True)


def moved(y, python, module, rng, want, pause):
    """Returns (complaints, moves, a word for the log)."""
    top, options = place()
    p = None
    try:
        p = promises.Program(command(python, module), **options)
        herd = apps.Herd(y, rng, lambda: [p.pid], pause=pause)
        got = p.finish(herd.pump, BUDGET)
        herd.settle()
        bad = compare(module, want, result(top, got), got[1]) + [f'{module}: {x}' for x in herd.lost]
        return bad, herd.total(), herd.told()
    finally:
        if p:
            p.close()
        shutil.rmtree(top, ignore_errors=True)


def one(y, python, module, rng, tell):
    want = unmoved(python, module)
    outcomes = [o for o, _ in want[1].values()]
    word = f'{len(outcomes)} cases, {outcomes.count("skipped")} skipped, {outcomes.count("failure") + outcomes.count("error")} failed;'
    moves, told = 0, ''
    for i in range(TIMES):
        bad, made, told = moved(y, python, module, rng, want, PAUSE / (i + 1))
        moves += made
        if bad or moves >= LEAST:
            break
    os.write(tell, b'%d\n' % moves)
    if moves < LEAST and not bad:
        bad.append(f'{module}: only {moves} of {LEAST} moves were possible')
    return bad, f'{word} {told}'


def run(argv):
    rng = promises.seed_of(argv)
    python = tests_of_python()
    names = promises.names_of(argv) or MODULES
    counts, tell = os.pipe()
    bad = promises.in_parallel(names, lambda y, name: one(y, python, name, promises.luck_of(rng, name), tell))
    os.close(tell)
    with open(counts) as f:
        moves = sum(int(line) for line in f)
    print(f'{len(names)} modules, {moves} moves')
    assert not bad, f'{len(bad)} differences'
    assert moves >= MEAN * len(names) or promises.names_of(argv), f'only {moves} moves in {len(names)} modules'


promises.main(run)
