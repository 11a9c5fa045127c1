"""A client that can send wrong bytes, written from docs/PROTOCOL.md; signing is Ed25519 by RFC 8032, §5.1, in plain Python.

For checks only: it is slow, and its arithmetic is not constant in time.
"""

import hashlib
import pathlib
import random
import socket
import struct

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
I = pow(2, (P - 1) // 4, P)


def _add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _times(s, p):
    q = (0, 1, 1, 0)
    while s:
        if s & 1:
            q = _add(q, p)
        p, s = _add(p, p), s >> 1
    return q


def _base():
    y = 4 * pow(5, P - 2, P) % P
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if x * x % P != xx:
        x = x * I % P
    x = P - x if x & 1 else x
    return (x, y, 1, x * y % P)


BASE = _base()


def _bytes(p):
    inverse = pow(p[2], P - 2, P)
    x, y = p[0] * inverse % P, p[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def sign(secret, message):
    """The signature of a message by a 32-byte seed."""
    h = hashlib.sha512(secret).digest()
    a = int.from_bytes(h[:32], "little") & (2**254 - 8) | 2**254
    public = _bytes(_times(a, BASE))
    r = int.from_bytes(hashlib.sha512(h[32:] + message).digest(), "little") % L
    point = _bytes(_times(r, BASE))
    k = int.from_bytes(hashlib.sha512(point + public + message).digest(), "little") % L
    return point + ((r + k * a) % L).to_bytes(32, "little")


REPORTS = {132: "BUSY", 133: "ERROR", 161: "ACCEPTED", 162: "REJECTED", 163: "REPLAYED", 164: "TRADE", 165: "PREVENTED",
           166: "AMENDED", 167: "CANCELED", 168: "EXPIRED", 169: "DONE", 170: "BALANCE", 171: "STATUS", 172: "CONFIG",
           173: "TRANSFER", 174: "MASS_DONE"}  # fmt: skip
HEARTBEAT = 131


class Closed(Exception):
    """The server ended the connection."""


class Client:
    """A raw connection; `key` is a key file."""

    def __init__(self, address, timeout=8):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout)
        self.request = 0
        self.nonce = self.message()[8:40]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """Any bytes."""
        self.socket.sendall(data)

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            try:
                part = self.socket.recv(count - len(data))
            except ConnectionError as error:
                raise Closed(str(error)) from error
            if not part:
                raise Closed("end of stream")
            data += part
        return data

    def message(self):
        """The next message that is no heartbeat."""
        while True:
            head = self._exactly(8)
            data = head + self._exactly(struct.unpack_from("<H", head)[0] - 8)
            if data[2] != HEARTBEAT:
                return data

    def header(self, kind, length, version=1):
        """The 8 bytes before a body, with the next request number."""
        self.request += 1
        return struct.pack("<HBBI", length, kind, version, self.request)

    def logon(self, key):
        """Logs on; the answer."""
        self.send_logon(key)
        return self.message()

    def send_logon(self, key, number=None, spoil=False):
        """LOGON, signed; with another key's number or a wrong signature on request."""
        fields = dict(line.split(" = ") for line in pathlib.Path(key).read_text().splitlines() if " = " in line)
        body = struct.pack("<IIQIHHII16xQ", int(number or fields["key"]), random.randrange(1, 2**31), 0, 0, 0, 0, 30000, 0, 0)
        signature = sign(bytes.fromhex(fields["secret"]), b"RINGBOOK-LOGON-1" + self.nonce + body)
        if spoil:
            signature = signature[:-1] + bytes([signature[-1] ^ 1])
        self.send(self.header(1, 128) + body + signature)

    def order(self, account, symbol, price, quantity, send_time, side=1, kind=1, time_in_force=1, budget=0, flags=0):
        """NEW_ORDER of any numbers; returns its bytes."""
        identity = random.getrandbits(128) | 1
        body = identity.to_bytes(16, "little") + struct.pack(
            "<IIqqqqqQQBBBBHBB", account, symbol, price, quantity, budget, 0, 0, 0, send_time, side, kind, time_in_force, 0,
            flags, 0, 0)  # fmt: skip
        return self.header(64, 96) + body

    def answers(self):
        """The reports on the last request, as text, up to LAST; or the one BUSY or ERROR. Those on others are skipped."""
        seen = []
        while True:
            data = self.message()
            if data[2] != 133 and struct.unpack_from("<I", data, 4)[0] != self.request:
                continue
            seen.append(describe(data))
            if data[2] in (132, 133) or (data[2] > 160 and struct.unpack_from("<H", data, 30)[0] & 1):
                return " ".join(seen)


def describe(data):
    """A message of the server in words."""
    name = REPORTS.get(data[2], str(data[2]))
    if name == "ERROR":
        return f"ERROR {data[8]} \"{data[16:16 + struct.unpack_from('<H', data, 10)[0]].decode()}\""
    if name == "REJECTED":
        return f"REJECTED {struct.unpack_from('<H', data, 36)[0]}"
    if name == "BUSY":
        return f"BUSY {data[8]}"
    return name
