"""Validates SOAP documents against a service description, with an XML Schema validator that we did not write.

usage: validate_soap.py WSDL < DOCUMENTS

DOCUMENTS is a JSON list. Prints a JSON list with what is wrong with each, or null.
"""

import json
import sys

from lxml import etree

SCHEMA = "{http://www.w3.org/2001/XMLSchema}schema"
BODY = "{http://schemas.xmlsoap.org/soap/envelope/}Body"
HEADER = "{http://schemas.xmlsoap.org/soap/envelope/}Header"


def alone(element):
    """An element as a document of its own, with the namespaces that are in scope."""
    return etree.fromstring(etree.tostring(element, with_tail=False))


def fault(schemas, document):
    """What is wrong with the first header block or body element that does not fit the schema of its namespace."""
    root = etree.fromstring(document.encode())
    for element in [*root.find(HEADER), *root.find(BODY)]:
        schema = schemas.get(etree.QName(element).namespace)
        if schema is None:
            return f"{element.tag} is of no namespace that is described"
        if not schema.validate(alone(element)):
            return str(schema.error_log.last_error)
    return None


def main():
    (wsdl,) = sys.argv[1:]
    described = etree.fromstring(wsdl.encode()).iter(SCHEMA)
    schemas = {schema.get("targetNamespace"): etree.XMLSchema(alone(schema)) for schema in described}
    print(json.dumps([fault(schemas, document) for document in json.load(sys.stdin)]))


if __name__ == "__main__":
    main()
