"""What is made to fail beneath the appliance: each function plants one fault, by the dice, and says its kind."""

import errno

from control import DEVICE_REMOVED, FAIL, FAIL_AFTER, FAIL_UNTIL_INIT, HANG, TEAR, TOKEN_ABSENT

CALLS = ("C_Sign", "C_SignInit", "C_GenerateRandom", "C_SetAttributeValue", "C_GetAttributeValue", "C_CreateObject", "C_CopyObject",
         "C_DestroyObject", "C_FindObjectsInit", "C_FindObjects", "C_FindObjectsFinal", "C_OpenSession", "C_GetSessionInfo", "C_")
# One CK_RV of each class at least. Those of a refused PIN are final by design, and not for a campaign.
RETURNS = {"session lost": (0xB3, 0xB0, 0x101), "stale handle": (0x82, 0x60), "device lost": (0x32, 0xE0, 0x190),
           "suspect": (0x5, 0x6, 0x30, 0x90, 0x80000001), "busy": (0xB1, 0x2, 0x31), "caller's fault": (0x7, 0x13, 0x21)}
DISK_CALLS = ("disk.write", "disk.sync", "disk.read", "disk.open", "disk.truncate", "disk.")
ERRNOS = {"I/O error": errno.EIO, "disk full": errno.ENOSPC, "read-only": errno.EROFS}


def hsm_error(faults, dice):
    kind = dice.choice(sorted(RETURNS))
    action = dice.choices((FAIL, FAIL_AFTER, FAIL_UNTIL_INIT), (6, 2, 1))[0]
    times = dice.choice((1, 1, 2, 5, 0))
    faults.arm(dice.choice(CALLS), action, dice.choice(RETURNS[kind]), at=dice.randint(1, 40), times=times)
    return f"HSM: {kind}"


def hsm_hang(faults, dice):
    faults.arm(dice.choice(CALLS[:8] + ("C_",)), HANG, at=dice.randint(1, 20), times=0)
    return "HSM: hangs"


def hsm_outage(faults, dice):
    kind = dice.choice(("device removed", "token absent", "sessions dead"))
    if kind == "sessions dead":
        faults.kill_sessions()
    else:
        faults.begin_outage(DEVICE_REMOVED if kind == "device removed" else TOKEN_ABSENT)
    return f"HSM: {kind}"


def disk_error(faults, dice):
    kind = dice.choice(sorted(ERRNOS))
    call = dice.choice(DISK_CALLS)
    action = TEAR if call == "disk.write" and dice.random() < 0.3 else FAIL
    faults.arm(call, action, ERRNOS[kind], at=dice.randint(1, 30), times=dice.choice((1, 1, 3, 0)))
    return f"disk: {'torn write' if action == TEAR else kind}"
