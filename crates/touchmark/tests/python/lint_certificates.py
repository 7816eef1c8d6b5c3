"""Lints certificates with pkilint, a linter that we did not write.

usage: lint_certificates.py FILE...

Prints one line for each finding of severity WARNING or above, then `N certificates, M findings`;
exits with 1 where there is a finding.
"""

import sys

from pkilint import loader
from pkilint.pkix import certificate, extension, name
from pkilint.validation import ValidationFindingSeverity

LINTER = certificate.create_pkix_certificate_validator_container(
    certificate.create_decoding_validators(
        name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS
    ),
    [
        certificate.create_issuer_validator_container([]),
        certificate.create_validity_validator_container(),
        certificate.create_subject_validator_container([]),
        certificate.create_extensions_validator_container([]),
        certificate.create_spki_validator_container([]),
    ],
)


def findings(path):
    with open(path, "rb") as file:
        document = loader.load_certificate(file.read(), path)
    for result in LINTER.validate(document.root):
        for described in result.finding_descriptions:
            finding = described.finding
            if finding.severity <= ValidationFindingSeverity.WARNING:
                yield f"{path}: {result.node.path}: {finding.severity} {finding.code}"


def main():
    paths = sys.argv[1:]
    found = [finding for path in paths for finding in findings(path)]
    for finding in found:
        print(finding)
    print(f"{len(paths)} certificates, {len(found)} findings")
    return 1 if found or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
