"""control.hpp for tests in Python: the file that tells the fault libraries of a process what to do, and counts.

    faults = Control(folder / "faults", "build/fault")
    Popen([...], env=os.environ | faults.environment(disk=store_folder))
    faults.arm("C_Sign", FAIL, CKR_DEVICE_REMOVED, at=3)
"""

import ctypes
import mmap
import pathlib

MAGIC = 0x534947494C4C4F32
NONE, FAIL, FAIL_AFTER, FAIL_UNTIL_INIT, HANG, KILL, KILL_AFTER, TEAR, TEAR_AND_KILL = range(9)
UP, DEVICE_REMOVED, TOKEN_ABSENT = range(3)
RULES, POINTS = 16, 128
U64 = ctypes.c_uint64
CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED = 0x20000, 0x40000


class Rule(ctypes.Structure):
    _fields_ = [("action", U64), ("point", ctypes.c_char * 32), ("at", U64), ("times", U64), ("code", U64),
                ("seen", U64), ("struck", U64)]


class Point(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char * 32), ("calls", U64)]


class Block(ctypes.Structure):
    _fields_ = [("magic", U64), ("points_lock", U64), ("points_used", U64), ("hanging", U64), ("latency_us", U64),
                ("parallel", U64), ("in_device", U64), ("in_device_max", U64), ("sessions_max", U64),
                ("token_flags", U64), ("outage", U64), ("sessions_epoch", U64), ("clock_offset_ms", ctypes.c_int64),
                ("rules", Rule * RULES), ("points", Point * POINTS)]


class Control:
    """The file is made anew; what a process that was killed has counted stays in it."""

    def __init__(self, path, libraries):
        self.path, self.libraries = pathlib.Path(path), pathlib.Path(libraries)
        with open(self.path, "w+b") as file:
            file.truncate(ctypes.sizeof(Block))
            self.memory = mmap.mmap(file.fileno(), ctypes.sizeof(Block))
        self.block = Block.from_buffer(self.memory)
        self.block.magic = MAGIC

    @property
    def module(self):
        """The PKCS#11 shim: what hsm.module becomes."""
        return str(self.libraries / "libsigillo_fault_pkcs11.so")

    def environment(self, disk=None):
        """For the process; with `disk`, the folder whose files fail, and the clock, by a preloaded library."""
        out = {"SIGILLO_FAULT_CONTROL": str(self.path)}
        if disk is not None:
            out |= {"SIGILLO_FAULT_FOLDER": str(disk), "LD_PRELOAD": str(self.libraries / "libsigillo_fault_preload.so")}
        return out

    def arm(self, point, action, code=0, at=1, times=1):
        rule = next(r for r in self.block.rules if r.action == NONE or 0 < r.times <= r.struck)
        rule.action = NONE
        rule.point, rule.at, rule.times, rule.code, rule.seen, rule.struck = point.encode(), at, times, code, 0, 0
        rule.action = action
        return rule

    def clear(self):
        for rule in self.block.rules:
            rule.action = NONE
        for name in ("outage", "token_flags", "sessions_max", "latency_us", "parallel", "clock_offset_ms"):
            setattr(self.block, name, 0)

    def network_hsm(self, latency_us, sessions):
        """Each call that goes to the device takes so long, and so many run at once; the others queue."""
        self.block.latency_us, self.block.parallel = latency_us, sessions

    def begin_outage(self, outage=DEVICE_REMOVED):
        self.kill_sessions()
        self.block.outage = outage

    def end_outage(self):
        self.block.outage = UP

    def kill_sessions(self):
        self.block.sessions_epoch += 1

    def calls(self, prefix=""):
        """Begun since the file was made, of all points whose name begins so."""
        return sum(p.calls for p in self.block.points[:self.block.points_used] if p.name.decode().startswith(prefix))
