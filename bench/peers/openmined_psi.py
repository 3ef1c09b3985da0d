"""OpenMined's PSI on the sets of `bench night`: both directions, first night only.

    openmined_psi.py ITEMS

Prints JSON. Client and server are in this process, as both nodes are in ours; what they would send
is what their messages take when they are serialised.
"""

import json
import resource
import sys
import time

import private_set_intersection.python as psi

# A false match among all that a client asks, as often as in ours at most: 2^-40.
FALSE_POSITIVES = 2.0**-40

# The sets of bench/src/night.rs: an item is an address within 16.0.0.0/4.
FIRST, ADDRESSES, STEP = 16 << 24, 1 << 28, 0x9E3779B1


def address(number):
    value = FIRST + number * STEP % 2**32 % ADDRESSES
    return ".".join(str(byte) for byte in value.to_bytes(4, "big"))


def ask(querier, responder):
    """What the querier finds, and the bytes that were sent for it."""
    server = psi.server.CreateWithNewKey(True)
    client = psi.client.CreateWithNewKey(True)
    setup = server.CreateSetupMessage(
        FALSE_POSITIVES, len(querier), responder, psi.DataStructure.GCS
    )
    setup_bytes = setup.SerializeToString()
    request_bytes = client.CreateRequest(querier).SerializeToString()
    request = psi.Request()
    request.ParseFromString(request_bytes)
    response_bytes = server.ProcessRequest(request).SerializeToString()
    setup, response = psi.ServerSetup(), psi.Response()
    setup.ParseFromString(setup_bytes)
    response.ParseFromString(response_bytes)
    found = client.GetIntersection(setup, response)
    sent = len(setup_bytes) + len(request_bytes) + len(response_bytes)
    return {querier[at] for at in found}, sent


def main():
    items = int(sys.argv[1])
    first = items - items // 100
    a = [address(number) for number in range(items)]
    b = [address(number) for number in range(first, first + items)]
    expected = set(a) & set(b)

    started, cpu, sent = time.monotonic(), time.process_time(), 0
    for querier, responder in ((a, b), (b, a)):
        found, bytes_of_one = ask(querier, responder)
        if found != expected:
            sys.exit(f"found {len(found & expected)} of {len(expected)}, and {len(found - expected)} others")
        sent += bytes_of_one
    print(
        json.dumps(
            {
                "version": psi.__version__,
                "items": items,
                "wall_s": time.monotonic() - started,
                "cpu_s": time.process_time() - cpu,
                "mib": sent / 2**20,
                "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


main()
