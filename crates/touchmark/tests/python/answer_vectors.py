"""Answers the test vectors of vectors/ with libraries that we did not write.

usage: touchmark vectors run -- answer_vectors.py

Written from vectors/README.md: COSE by pycose, CBOR by cbor2, HPKE by pyhpke, HMAC and HKDF by the
standard library and cryptography. Reads a question a line, writes an answer a line.
"""

import hashlib
import hmac
import json
import sys

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from pycose.algorithms import A256GCM
from pycose.headers import IV, KID, Algorithm
from pycose.keys import SymmetricKey
from pycose.messages import CoseMessage, Enc0Message
from pyhpke import AEADId, CipherSuite, KDFId, KEMId
from pyhpke.kem_key import KEMKey

import device_store
from line_frames import Refused, apparatus_bytes, decode_frame, demand, encode_frame

HPKE_0, ENCAPSULATED_KEY = 35, -4
SUITE = CipherSuite.new(
    KEMId.DHKEM_P256_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES128_GCM
)


def framed(*fields):
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


# Keys and confirmations


def derive_key(question):
    label = b"touchmark chip key 1"
    info = framed(label, bytes.fromhex(question["hardwareUid"]))
    expand = HKDFExpand(algorithm=hashes.SHA256(), length=32, info=info)
    return {"key": expand.derive(bytes.fromhex(question["key"])).hex()}


def mac(question, *fields):
    key = bytes.fromhex(question["passPhrase"])
    return hmac.new(key, framed(*fields), hashlib.sha256).digest()


def station_confirmation(question):
    apparatus_id = apparatus_bytes(question["apparatusId"])
    value = mac(question, b"touchmark station confirmation 1", apparatus_id)
    return {"confirmation": value.hex()}


def authority_confirmation(question):
    value = mac(
        question,
        b"touchmark authority confirmation 1",
        apparatus_bytes(question["apparatusId"]),
        question["deviceNumber"].encode(),
        bytes.fromhex(question["hardwareUid"]),
        bytes.fromhex(question["challenge"]),
    )
    return {"confirmation": value.hex()}


# Authentication


def authenticate(question):
    oldest, newest = question["oldestVersion"], question["newestVersion"]
    version = question["version"]
    demand(oldest <= version <= newest and version == min(newest, 1))
    demand(question["deviceNonce"] != question["serverNonce"])

    def fields(purpose):
        return [
            b"touchmark authentication",
            purpose,
            bytes([version]),
            bytes([oldest, newest]),
            b"device",
            apparatus_bytes(question["apparatusId"]),
            bytes.fromhex(question["deviceNonce"]),
            b"server",
            question["server"].encode(),
            bytes.fromhex(question["serverNonce"]),
            b"tls-exporter",
            bytes.fromhex(question["tlsExporter"]),
        ]

    info = framed(*fields(b"session key"))
    expand = HKDFExpand(algorithm=hashes.SHA256(), length=32, info=info)
    return {
        "deviceProof": mac(question, *fields(b"device proof")).hex(),
        "serverProof": mac(question, *fields(b"server proof")).hex(),
        "sessionKey": expand.derive(bytes.fromhex(question["passPhrase"])).hex(),
    }


# Sealed packs


def external_data(question):
    purpose = question["for"]
    return cbor2.dumps(["touchmark pack 1", purpose["product"], purpose["credential"]])


def seal(question):
    message = Enc0Message(
        phdr={Algorithm: A256GCM, KID: question["under"]["identifier"].encode()},
        uhdr={IV: bytes.fromhex(question["iv"])},
        payload=bytes.fromhex(question["secret"]),
        external_aad=external_data(question),
        key=SymmetricKey(k=bytes.fromhex(question["under"]["key"])),
    )
    return {"sealed": message.encode().hex()}


def parts(sealed, protected, label):
    """The unprotected value of an object that has exactly the form that we write, and its ciphertext."""
    try:
        tagged = cbor2.loads(sealed)
        header, unprotected, ciphertext = tagged.value
        demand(tagged.tag == 16 and header == cbor2.dumps(protected))
        demand(list(unprotected) == [label] and len(ciphertext) >= 16)
        demand(cbor2.dumps(tagged) == sealed)
    except (cbor2.CBORDecodeError, AttributeError, TypeError, ValueError) as error:
        raise Refused from error
    return unprotected[label], ciphertext


def open_sealed(question):
    sealed = bytes.fromhex(question["sealed"])
    identifier = question["under"]["identifier"].encode()
    iv, _ = parts(sealed, {1: 3, 4: identifier}, 5)
    demand(len(iv) == 12)
    message = CoseMessage.decode(sealed)
    message.key = SymmetricKey(k=bytes.fromhex(question["under"]["key"]))
    message.external_aad = external_data(question)
    try:
        return {"secret": message.decrypt().hex()}
    except Exception as error:
        raise Refused from error


def associated_data(question):
    protected = cbor2.dumps({1: HPKE_0})
    return cbor2.dumps(["Encrypt0", protected, external_data(question)])


def seal_to_chip(question):
    point = bytes.fromhex(question["chipPublicKey"])
    demand(len(point) == 65)
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as error:
        raise Refused from error
    ephemeral = SUITE.kem.derive_key_pair(bytes.fromhex(question["ephemeralKeyMaterial"]))
    encapsulated, context = SUITE.create_sender_context(KEMKey.from_pyca_cryptography_key(key), eks=ephemeral)
    ciphertext = context.seal(bytes.fromhex(question["secret"]), aad=associated_data(question))
    content = [cbor2.dumps({1: HPKE_0}), {ENCAPSULATED_KEY: encapsulated}, ciphertext]
    return {"sealed": cbor2.dumps(cbor2.CBORTag(16, content)).hex()}


def open_with_chip_key(question):
    encapsulated, ciphertext = parts(bytes.fromhex(question["sealed"]), {1: HPKE_0}, ENCAPSULATED_KEY)
    key = ec.derive_private_key(int(question["chipKey"], 16), ec.SECP256R1())
    try:
        context = SUITE.create_recipient_context(encapsulated, KEMKey.from_pyca_cryptography_key(key))
        return {"secret": context.open(ciphertext, aad=associated_data(question)).hex()}
    except Exception as error:
        raise Refused from error


# Possession


def pack_digest(question):
    pack = question["pack"]
    certificate = pack.get("certificate", {"root": "", "issuing": "", "client": "", "key": {"own": {}}})
    key = certificate["key"]
    fields = [certificate["root"], certificate["issuing"], certificate["client"], key.get("plain", "")]
    fields = [pack["deviceNumber"].encode(), *map(bytes.fromhex, fields)]
    if "sealed" in key:
        fields.append(bytes.fromhex(key["sealed"]))
    if symmetric := pack.get("symmetric"):
        fields.append(apparatus_bytes(symmetric["apparatusId"]))
        fields.append(bytes.fromhex(symmetric["sealed"]))
        fields.append(symmetric["form"].encode())
        fields.append(bytes.fromhex(symmetric["challenge"]))
    return {"digest": hashlib.sha256(framed(*fields)).hexdigest()}


def proof_message(question):
    number, hex_fields = question["deviceNumber"], ("hardwareUid", "challenge", "packDigest")
    fields = [bytes.fromhex(question[name]) for name in hex_fields]
    return {"message": framed(b"touchmark possession 1", number.encode(), *fields).hex()}


def check_proof(question):
    curve, digest, size = {
        "p-256": (ec.SECP256R1(), hashes.SHA256(), 32),
        "p-384": (ec.SECP384R1(), hashes.SHA384(), 48),
    }[question["algorithm"]]
    key = ec.EllipticCurvePublicKey.from_encoded_point(curve, bytes.fromhex(question["publicKey"]))
    signature = bytes.fromhex(question["signature"])
    if len(signature) != 2 * size:
        return {"holds": False}
    r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
    try:
        message = bytes.fromhex(question["message"])
        key.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(digest))
    except InvalidSignature:
        return {"holds": False}
    return {"holds": True}


def store_pack(question):
    return device_store.store_pack(question, open_sealed, open_with_chip_key, pack_digest)


OPERATIONS = {
    "accept-candidate": device_store.accept_candidate,
    "authenticate": authenticate,
    "authority-confirmation": authority_confirmation,
    "check-proof": check_proof,
    "decode-frame": decode_frame,
    "derive-key": derive_key,
    "encode-frame": encode_frame,
    "open": open_sealed,
    "open-with-chip-key": open_with_chip_key,
    "pack-digest": pack_digest,
    "proof-message": proof_message,
    "read-candidate": device_store.read_candidate,
    "read-record": device_store.read_record,
    "seal": seal,
    "seal-to-chip": seal_to_chip,
    "station-confirmation": station_confirmation,
    "store-pack": store_pack,
    "write-record": device_store.write_record,
}


def main():
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = OPERATIONS[question["operation"]](question["input"])
        except Refused:
            answer = {"refused": True}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
