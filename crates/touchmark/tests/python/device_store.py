"""A device's memory: records in two slots, and the record that a pack becomes.

Written from vectors/README.md and vectors/record.cddl, which every record that is written must also
satisfy in the eyes of zcbor.
"""

import zlib
from pathlib import Path

import cbor2
from cryptography.hazmat.primitives.serialization import load_der_private_key
from zcbor import DataTranslator

from line_frames import Refused, apparatus_bytes, demand

UNIT = 32
MARK = b"TMR1"
COMMIT_WORD = b"\xa5\x5atouchmark: record is complete\xa5"
CERTIFICATE_PACK, CREDENTIALS, CANDIDATE = 1, 3, 4
KINDS = {CERTIFICATE_PACK: "held", 2: "nvram", CREDENTIALS: "held", CANDIDATE: "held"}
SEALED_TO_A_CHIP = bytes.fromhex("d08344a1011823")
DESCRIPTION = Path(__file__).parents[4] / "vectors" / "record.cddl"
DESCRIBED = DataTranslator.from_cddl(DESCRIPTION.read_text(), 3).my_types


def check_sum(kind, sequence, body):
    return zlib.crc32(body + bytes([kind]) + words(sequence, len(body)))


def words(*values):
    return b"".join(value.to_bytes(4, "little") for value in values)


def read_slot(content):
    """Sequence number, kind and body of a slot that counts, else None."""
    header, commit_word = content[:UNIT].ljust(UNIT, b"\xff"), content[UNIT : 2 * UNIT]
    if header[:4] != MARK or commit_word != COMMIT_WORD:
        return None
    sequence, length, stated = (int.from_bytes(header[at : at + 4], "little") for at in (8, 12, 16))
    body = content[2 * UNIT :].ljust(length, b"\xff")[:length]
    kind = header[4]
    return (sequence, kind, body) if check_sum(kind, sequence, body) == stated else None


def committed(slots):
    """The slots that count and what they read, the older one first."""
    found = [(index, read_slot(slot)) for index, slot in enumerate(slots)]
    found = [(index, record) for index, record in found if record]
    if len(found) == 2 and (found[1][1][0] - found[0][1][0]) % 2**32 >= 2**31:
        found.reverse()
    return found


def current(slots):
    """The slot that holds the record and what it reads, or None."""
    found = committed(slots)
    return found[0] if candidate(slots) else found[-1] if found else None


def candidate(slots):
    """The slot that holds a candidate beside a record and what it reads, or None."""
    found = committed(slots)
    return found[1] if len(found) == 2 and found[1][1][1] == CANDIDATE else None


def write_record(question):
    slots = from_hex(question)
    kind, body = question["kind"], bytes.fromhex(question["body"])
    demand(kind in KINDS)
    DESCRIBED[KINDS[kind]].validate_str(body)
    index, sequence = 0, 0
    if before := current(slots):
        index, sequence = 1 - before[0], (before[1][0] + 1) % 2**32
    header = MARK + bytes([kind]) + b"\xff" * 3
    header += words(sequence, len(body), check_sum(kind, sequence, body))
    slots[index] = (header.ljust(UNIT, b"\xff") + COMMIT_WORD + body).rstrip(b"\xff")
    return {"slots": [slot.hex() for slot in slots]}


def read_record(question):
    return answered(current(from_hex(question)))


def read_candidate(question):
    return answered(candidate(from_hex(question)))


def accept_candidate(question):
    """The candidate stays, and what was before it does not."""
    slots = from_hex(question)
    demand(found := candidate(slots))
    slots[1 - found[0]] = b""
    return {"slots": [slot.hex() for slot in slots]}


def from_hex(question):
    return [bytes.fromhex(slot) for slot in question["slots"]]


def answered(found):
    if not found:
        return {"blank": True}
    _, (_, kind, body) = found
    demand(kind in KINDS)
    return {"kind": kind, "body": body.hex()}


def store_pack(question, open_sealed, open_with_chip_key, pack_digest):
    """The record of a pack; what is sealed is opened by these functions."""

    def opened(sealed, credential):
        purpose = {"product": question["product"], "credential": credential}
        sealed = {"for": purpose, "sealed": sealed}
        if bytes.fromhex(sealed["sealed"]).startswith(SEALED_TO_A_CHIP):
            demand("chipKey" in question)
            return open_with_chip_key(sealed | {"chipKey": question["chipKey"]})["secret"]
        demand("preWriteKey" in question)
        return open_sealed(sealed | {"under": question["preWriteKey"]})["secret"]

    pack = question["pack"]
    number = pack["deviceNumber"]
    demand(number.split("-")[0] == question["product"])
    body = [number, b"", b"", b"", b""]
    if certificate := pack.get("certificate"):
        key = certificate["key"]
        demand("own" not in key)  # This device makes no keys.
        secret_key = key["plain"] if "plain" in key else opened(key["sealed"], number)
        secret_key = bytes.fromhex(secret_key)
        try:
            load_der_private_key(secret_key, None)
        except ValueError as error:
            raise Refused from error
        parts = [bytes.fromhex(certificate[name]) for name in ("root", "issuing", "client")]
        body = [number, *parts, secret_key]
    symmetric = pack.get("symmetric")
    is_plain = not symmetric and "plain" in certificate["key"]
    if not is_plain:
        body.append(bytes.fromhex(pack_digest({"pack": pack})["digest"]))
    if symmetric:
        secret = bytes.fromhex(opened(symmetric["sealed"], symmetric["apparatusId"]))
        apparatus_id = apparatus_bytes(symmetric["apparatusId"])
        demand(len(secret) == 48 and secret[:16] == apparatus_id)
        form = symmetric["form"]
        kept = secret[16:] if form == "opened" else bytes.fromhex(symmetric["sealed"])
        body += [False, [apparatus_id, form, kept, bytes.fromhex(symmetric["challenge"])]]
    body = cbor2.dumps(body)
    DESCRIBED["held"].validate_str(body)
    return {"kind": CERTIFICATE_PACK if is_plain else CREDENTIALS, "body": body.hex()}
