"""Whether exports are what other programs take: STIX by stix2-validator and stix2, MISP by pymisp.

    check.py BUNDLE.json EVENT.json

Prints how many indicators and sightings each has, as JSON; fails with what is wrong.
"""

import json
import sys

import pymisp
import stix2
from stix2validator import ValidationOptions, validate_file


def stix(path):
    result = validate_file(path, ValidationOptions(version="2.1"))
    errors = [str(error) for one in result.object_results for error in one.errors]
    if not result.is_valid or errors or result.fatal:
        sys.exit(f"stix2-validator: {errors or result.fatal}")
    with open(path, encoding="utf-8") as file:
        bundle = stix2.parse(json.load(file), version="2.1")
    kinds = [one["type"] for one in bundle.objects]
    refs = {one["id"] for one in bundle.objects}
    for one in bundle.objects:
        if one["type"] == "sighting" and one["sighting_of_ref"] not in refs:
            sys.exit(f"a sighting of what is not in the bundle: {one['id']}")
    return {kind: kinds.count(kind) for kind in ("indicator", "sighting", "identity")}


def misp(path):
    event = pymisp.MISPEvent()
    event.load_file(path)
    attributes = event.attributes + [
        one for wallet in event.objects for one in wallet.attributes if one.object_relation != "symbol"
    ]
    for one in attributes:
        # Types and categories that MISP does not have for each other are refused when they are set.
        if not one.uuid or one.to_ids:
            sys.exit(f"an attribute without id, or meant for detection: {one.type}")
    values = [(one.category, one.type, one.value) for one in event.attributes]
    if len(set(values)) != len(values):
        sys.exit("a value stands twice in a category, which MISP refuses")
    tags = [tag.name for tag in event.tags]
    # What pymisp would send to a MISP reads again.
    pymisp.MISPEvent().load(event.to_json())
    return {
        "attribute": len(attributes),
        "sighting": sum(len(one.Sighting) for one in attributes),
        "tags": tags,
        "uuid": event.uuid,
    }


print(json.dumps({"stix": stix(sys.argv[1]), "misp": misp(sys.argv[2])}))
