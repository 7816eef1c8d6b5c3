"""Frames of the line protocol: version byte, CBOR and CRC-32, COBS-coded, ended by a zero byte.

Written from vectors/README.md and vectors/line.cddl, which every frame that is taken must also satisfy
in the eyes of zcbor.
"""

import re
import zlib
from pathlib import Path

import cbor2
from zcbor import CddlValidationError, DataTranslator

BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
REASONS = (
    "malformed unsupported-version replayed wrong-product holds-another too-long unusable-key "
    "storage-failed nothing-stored wrong-key not-opened no-key-made foreign-certificate"
).split()
VERSIONS = (1, 2)
DESCRIPTION = Path(__file__).parents[4] / "vectors" / "line.cddl"
DESCRIBED = DataTranslator.from_cddl(DESCRIPTION.read_text(), 3).my_types


class Refused(Exception):
    """It must not be accepted."""


def demand(holds):
    if not holds:
        raise Refused


def apparatus_bytes(text):
    value = 0
    for character in text:
        value = value << 5 | BASE32.index(character)
    return value.to_bytes(16, "big")


def apparatus_text(value):
    number = int.from_bytes(value, "big")
    return "".join(BASE32[number >> 5 * place & 31] for place in reversed(range(26)))


# Kinds of fields: how a value becomes CBOR, and back.


class Bytes:
    def __init__(self, shortest=0, longest=4096):
        self.shortest, self.longest = shortest, longest

    def to_cbor(self, value):
        return bytes.fromhex(value)

    def from_cbor(self, value):
        demand(isinstance(value, bytes) and self.shortest <= len(value) <= self.longest)
        return value.hex()


class Text:
    def __init__(self, pattern):
        self.pattern = re.compile(pattern)

    def to_cbor(self, value):
        return value

    def from_cbor(self, value):
        demand(isinstance(value, str) and self.pattern.fullmatch(value))
        return value


class Plain:
    def __init__(self, kind):
        self.kind = kind

    def to_cbor(self, value):
        return value

    def from_cbor(self, value):
        demand(type(value) is self.kind)
        return value


class ApparatusId:
    def to_cbor(self, value):
        return apparatus_bytes(value)

    def from_cbor(self, value):
        demand(isinstance(value, bytes) and len(value) == 16)
        return apparatus_text(value)


class Reason:
    def to_cbor(self, value):
        return REASONS.index(value)

    def from_cbor(self, value):
        demand(type(value) is int and value < len(REASONS))
        return REASONS[value]


class Record:
    """An array of fields. A name with a question mark may be null, or missing at the end."""

    def __init__(self, **fields):
        self.fields = [(name.rstrip("_"), name.endswith("_"), kind) for name, kind in fields.items()]

    def to_cbor(self, value):
        demand(set(value) <= {name for name, _, _ in self.fields})
        array = [kind.to_cbor(value[name]) if name in value else None for name, _, kind in self.fields]
        while array and array[-1] is None:
            array.pop()
        return array

    def from_cbor(self, array):
        demand(isinstance(array, list) and len(array) <= len(self.fields))
        value = {}
        for index, (name, is_optional, kind) in enumerate(self.fields):
            field = array[index] if index < len(array) else None
            if field is not None:
                value[name] = kind.from_cbor(field)
            else:
                demand(is_optional)
        return value


class Pack(Record):
    """Five fields that are always there, empty where there is nothing, and two optional ones."""

    def to_cbor(self, value):
        fields = {"deviceNumber": value["deviceNumber"]}
        certificate = value.get("certificate", {"root": "", "issuing": "", "client": "", "key": {"own": {}}})
        key = certificate["key"]
        demand("certificate" not in value or (certificate["client"] and key.get("plain") != ""))
        fields |= {name: certificate[name] for name in ("root", "issuing", "client")}
        fields["plain"] = key.get("plain", "")
        fields |= {"sealed": key["sealed"]} if "sealed" in key else {}
        fields |= {"symmetric": value["symmetric"]} if "symmetric" in value else {}
        return super().to_cbor(fields)

    def from_cbor(self, array):
        fields = super().from_cbor(array)
        value = {"deviceNumber": fields["deviceNumber"]}
        plain, sealed = fields["plain"], fields.get("sealed")
        demand(not (plain and sealed is not None))
        key = {"plain": plain} if plain else {"own": {}} if sealed is None else {"sealed": sealed}
        certificate = {name: fields[name] for name in ("root", "issuing", "client")} | {"key": key}
        if certificate["client"]:
            value["certificate"] = certificate
        else:
            demand(not (certificate["root"] or certificate["issuing"] or plain or sealed is not None))
        if "symmetric" in fields:
            value["symmetric"] = fields["symmetric"]
        return value


class Versions:
    """The range of versions in an identity, which JSON shows as two fields."""

    def to_cbor(self, value):
        return value

    def from_cbor(self, value):
        demand(isinstance(value, list) and len(value) == 2 and all(0 <= number <= 255 for number in value))
        return value


class Identity(Record):
    def to_cbor(self, value):
        value = dict(value)
        versions = [value.pop("oldestVersion"), value.pop("newestVersion")]
        return super().to_cbor(value | {"versions": versions})

    def from_cbor(self, array):
        value = super().from_cbor(array)
        oldest, newest = value.pop("versions")
        return value | {"oldestVersion": oldest, "newestVersion": newest}


class Choice:
    """An array of a number and the fields of the variant with that number."""

    def __init__(self, *variants):
        self.variants = variants

    def to_cbor(self, value):
        ((name, content),) = value.items()
        (number,) = (i for i, (other, _) in enumerate(self.variants) if other == name)
        kind = self.variants[number][1]
        if isinstance(kind, list):
            return [number, [kind[0].to_cbor(content)]]
        return [number, kind.to_cbor(content)]

    def from_cbor(self, array):
        demand(isinstance(array, list) and len(array) == 2)
        number, content = array
        demand(type(number) is int and number < len(self.variants))
        name, kind = self.variants[number]
        if isinstance(kind, list):
            demand(isinstance(content, list) and len(content) == 1)
            return {name: kind[0].from_cbor(content[0])}
        return {name: kind.from_cbor(content)}


NUMBER = Text("[A-Z0-9]{4,8}-[0-9]{6,12}")
SESSION, DIGEST = Bytes(16, 16), Bytes(32, 32)
PACK = Pack(
    deviceNumber=NUMBER,
    root=Bytes(),
    issuing=Bytes(),
    client=Bytes(),
    plain=Bytes(),
    sealed_=Bytes(),
    symmetric_=Record(
        apparatusId=ApparatusId(),
        sealed=Bytes(),
        form=Text("opened|sealed"),
        challenge=DIGEST,
    ),
)
MESSAGES = {
    "request": Choice(
        ("identify", Record()),
        ("transmission", [Record(session=SESSION, pack=PACK)]),
        ("resultRequest", Record(session=SESSION, challenge=DIGEST)),
        ("resultResponse", Record(session=SESSION)),
        ("keyRequest", Record(session=SESSION, deviceNumber=NUMBER)),
    ),
    "answer": Choice(
        (
            "identity",
            [
                Identity(
                    versions=Versions(),
                    product=Text("[A-Z0-9]{4,8}"),
                    hardwareUid=Bytes(4, 16),
                    session=SESSION,
                    holding_=NUMBER,
                    confirmed=Plain(bool),
                    keyIdentifier_=Text("[A-Z0-9]([A-Z0-9-]{0,22}[A-Z0-9])?"),
                    chipKey_=Bytes(65, 65),
                )
            ],
        ),
        ("reception", Record()),
        (
            "writeResult",
            [
                Record(
                    deviceNumber=NUMBER,
                    packDigest=DIGEST,
                    signature=Bytes(0, 96),
                    confirmation_=Record(apparatusId=ApparatusId(), station=DIGEST, authority=DIGEST),
                )
            ],
        ),
        ("done", Record()),
        ("refused", Record(reason=Reason())),
        ("signingRequest", [Bytes(0, 512)]),
    ),
}


def stuffed(content):
    """COBS (Cheshire and Baker 1999), with the zero byte that ends a frame."""
    frame = bytearray()
    block = bytearray()
    for byte in content:
        if byte:
            block.append(byte)
        if not byte or len(block) == 254:
            frame += bytes([len(block) + 1]) + block
            block.clear()
    return bytes(frame + bytes([len(block) + 1]) + block + b"\0")


def unstuffed(frame):
    demand(frame.endswith(b"\0") and 0 not in frame[:-1])
    content = bytearray()
    rest = frame[:-1]
    while rest:
        code, block = rest[0], rest[1 : rest[0]]
        demand(len(block) == code - 1)
        rest = rest[code:]
        content += block
        if rest and code < 255:
            content.append(0)
    return bytes(content)


def encode_frame(question):
    demand(question["version"] in VERSIONS)
    ((kind, message),) = question["message"].items()
    content = bytes([question["version"]]) + cbor2.dumps(MESSAGES[kind].to_cbor(message))
    return {"frame": stuffed(content + zlib.crc32(content).to_bytes(4, "little")).hex()}


def decode_frame(question):
    content = unstuffed(bytes.fromhex(question["frame"]))
    demand(len(content) > 4)
    content, check_sum = content[:-4], content[-4:]
    demand(zlib.crc32(content).to_bytes(4, "little") == check_sum and content[0] in VERSIONS)
    try:
        message = cbor2.loads(content[1:])
        demand(cbor2.dumps(message) == content[1:])
    except (cbor2.CBORDecodeError, cbor2.CBOREncodeError) as error:
        raise Refused from error
    kind = question["expected"]
    value = MESSAGES[kind].from_cbor(message)
    try:
        DESCRIBED[kind].validate_str(content[1:])
    except CddlValidationError as error:
        raise AssertionError("line.cddl does not describe a message that is taken") from error
    return {"version": content[0], "message": {kind: value}}
