"""Asks the authority and the gateway over SOAP with zeep, a SOAP client that we did not write.

usage: soap_client.py AUTHORITY_URL GATEWAY_URL GATEWAY_DIRECTORY STATION_DIRECTORY NEW OTHER STOCKED

As the gateway, asks the authority for packs of the device numbers NEW and OTHER. As the station, asks
the gateway for the pack of STOCKED, proves it as a device would, and delivers the write result. The
directories hold the members' own certificates and keys. Prints what came back as JSON.
"""

import hashlib
import json
import secrets
import sys
from pathlib import Path

import requests
import zeep
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import load_der_private_key
from requests.adapters import HTTPAdapter

UID = bytes.fromhex("00112233445566aa")
NAMESPACE = "urn:touchmark:provisioning:1"


class MemberAdapter(HTTPAdapter):
    """Members are known by a URI in their certificates, not by a host name."""

    def init_poolmanager(self, *arguments, **options):
        super().init_poolmanager(*arguments, assert_hostname=False, **options)


def client(url, directory):
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", MemberAdapter())
    chain = directory / "chain.pem"
    chain.write_text((directory / "member.pem").read_text() + (directory / "plant.pem").read_text())
    session.cert = str(chain)
    session.verify = str(directory / "root.pem")
    transport = zeep.transports.Transport(session=session, timeout=10, operation_timeout=10)
    return zeep.Client(f"{url}/soap?wsdl", transport=transport)


def fault_word(call):
    """The code word in the fault that the call ends in."""
    try:
        call()
    except zeep.exceptions.Fault as fault:
        problem = fault.detail.find(f"{{{NAMESPACE}}}Problem")
        return f"{fault.code} {problem.text}"
    return None


def serial_number(certificate):
    names = x509.load_der_x509_certificate(certificate).subject
    return names.get_attributes_for_oid(x509.NameOID.SERIAL_NUMBER)[0].value


def framed(*parts):
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def proof(pack, challenge):
    """What a device would answer: its signature over number, chip, challenge and stored pack."""
    number = pack.DeviceNumber.encode()
    stored = framed(
        number, pack.RootCertificate, pack.IssuingCertificate, pack.ClientCertificate, pack.SecretKey
    )
    digest = hashlib.sha256(stored).digest()
    message = framed(b"touchmark possession 1", number, UID, challenge, digest)
    key = load_der_private_key(pack.SecretKey, None)
    r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return {
        "HardwareUid": UID.hex(),
        "Challenge": challenge,
        "PackDigest": digest,
        "Signature": r.to_bytes(32, "big") + s.to_bytes(32, "big"),
    }


def ask_authority(url, gateway, numbers):
    service = client(url, gateway).service
    packs = service.CertificateTransmissionRequest(
        DeviceNumber=numbers,
        _soapheaders={"command": "certificate transmission request command"},
    ).Pack
    again = service.CertificateTransmissionRequest(DeviceNumber=numbers).Pack
    return {
        "numbers": [pack.DeviceNumber for pack in packs],
        "certificates": [serial_number(pack.ClientCertificate) for pack in packs],
        "same_again": packs == again,
        "unknown_product": fault_word(
            lambda: service.CertificateTransmissionRequest(DeviceNumber=["9999-000001"])
        ),
        "not_served": fault_word(
            lambda: service.WriteResultTransmission(
                DeviceNumber=numbers[0], Result="N.G.", Reason="none", Untouched=True
            )
        ),
    }


def ask_gateway(url, station, number):
    service = client(url, station).service
    attempt = secrets.token_hex(16)
    wanted = {
        "DeviceNumber": [number],
        "Attempt": attempt,
        "Product": number.split("-")[0],
        "HardwareUid": UID.hex(),
    }
    lease = service.CertificateTransmissionRequest(**wanted)
    (pack,) = lease.Pack
    other_device = {**wanted, "Attempt": secrets.token_hex(16), "HardwareUid": "ffffffff"}
    second_device = fault_word(lambda: service.CertificateTransmissionRequest(**other_device))
    result = {"Attempt": attempt, "DeviceNumber": number, "Result": "O.K."}
    response = service.WriteResultTransmission(**result, Proof=proof(pack, secrets.token_bytes(32)))
    return {
        "number": pack.DeviceNumber,
        "certificate": serial_number(pack.ClientCertificate),
        "expires": lease.Expires,
        "second_device": second_device,
        "result": response.Result,
        "state": response.State,
        "without_attempt": fault_word(
            lambda: service.CertificateTransmissionRequest(DeviceNumber=[number])
        ),
    }


def main():
    authority_url, gateway_url, gateway, station, new, other, stocked = sys.argv[1:]
    print(
        json.dumps(
            {
                "authority": ask_authority(authority_url, Path(gateway), [new, other]),
                "gateway": ask_gateway(gateway_url, Path(station), stocked),
            }
        )
    )


if __name__ == "__main__":
    main()
