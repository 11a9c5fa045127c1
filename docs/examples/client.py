#!/usr/bin/env python3
"""A small Ringbook client, written from docs/PROTOCOL.md alone. Python 3.8 or later, standard library only.

    client.py demo  --connect HOST:PORT --keys DIR            scripted demonstration; ends with "ok", exit code 0
    client.py watch --connect HOST:PORT --keys DIR [--key readonly] [--state PREFIX]        live reports as text

What it shows: how to log on, trade, and survive kill -9 of the client, of the server, or of the connection:
  * every report goes to PREFIX.log; PREFIX.token says what is in that log, and what was sent but not answered;
  * after a crash the log is cut back to what the token says, and the server sends everything behind it;
    (the log is exact; a screen cannot be: what was logged but not yet shown is in the log alone;)
  * an order stands in the token file *before* it is sent, so the very same message can be sent again.
The functions that sign are slow and not hardened against side channels: good for an example, not for a product.
"""
import argparse, hashlib, json, os, random, select, shutil, signal, socket, struct, subprocess, sys, tempfile, threading, time

# ---- Ed25519 signing (RFC 8032 §5.1.6) ---------------------------------------------------------------------------
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
GY = 4 * pow(5, P - 2, P) % P
GX = 15112221349535400772501151409588531511454012693041857206046113283949847762202


def point_add(a, b):  # extended coordinates (X, Y, Z, T)
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = f - e, d - c, d + c, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_mul(s):  # s times the base point, compressed to 32 bytes
    q, g = (0, 1, 1, 0), (GX, GY, 1, GX * GY % P)
    while s:
        if s & 1:
            q = point_add(q, g)
        g, s = point_add(g, g), s >> 1
    z = pow(q[2], P - 2, P)
    return (q[1] * z % P | (q[0] * z % P & 1) << 255).to_bytes(32, "little")


def sign(seed, message):
    def h(*parts):
        return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")
    digest = hashlib.sha512(seed).digest()
    a = int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254
    public = point_mul(a)
    r = h(digest[32:], message) % L
    big_r = point_mul(r)
    return big_r + ((r + h(big_r, public, message) * a) % L).to_bytes(32, "little")


# ---- Messages (PROTOCOL §3, §4, §7) and codes (§8) ---------------------------------------------------------------
PLACE = "sequence Q time Q term I index H report_flags H "
MESSAGES = {  # type: name, length, fields from offset 8 on as pairs of name and format; O is a u128, "-" is reserved
    1: ("LOGON", 128, "key I session I sequence Q term I index H flags H heartbeat_ms I grace_ms I journal 16s - 8x signature 64s"),
    2: ("LOGOUT", 8, ""),
    3: ("HEARTBEAT", 8, ""),
    4: ("STATE_REQUEST", 16, "account I - 4x"),
    64: ("NEW_ORDER", 96, "client_id O account I symbol I price q quantity q budget q trigger q display q expire_at Q send_time Q "
         "side B order_type B time_in_force B stp B flags H trigger_direction B trigger_source B"),
    65: ("CANCEL", 40, "account I - 4x order Q client_id O"),
    66: ("AMEND", 64, "account I - 4x order Q client_id O price q quantity q trigger q"),
    68: ("SET_LEVERAGE", 24, "account I symbol I leverage I mode B - 3x"),
    74: ("TRANSFER", 48, "account I asset I adjustment Q amount q reference Q direction B - 7x"),
    75: ("ADJUST_MARGIN", 48, "account I symbol I adjustment Q amount q reference Q direction B - 7x"),
    96: ("MARK", 32, "symbol I force B - 3x price q feed_time Q"),
    97: ("FUNDING", 32, "symbol I - 4x rate q index Q"),
    128: ("CHALLENGE", 64, "nonce 32s server_time Q shard I protocol I - 8x"),
    129: ("LOGON_ACCEPTED", 72, "term I first_account I last_account I role B resume B - 2x sequence Q heartbeat_ms I "
          "max_outstanding I rate_limit I - 4x journal 16s - 8x"),
    130: ("RESUMED", 24, "sequence Q term I - 4x"),
    131: ("SERVER_HEARTBEAT", 32, "sequence Q term I - 4x server_time Q"),
    132: ("BUSY", 16, "busy_reason B kind B - 2x retry_ms I"),
    133: ("ERROR", 136, "error B kind B text_length H - 4x text 120s"),
    134: ("LOGGED_OUT", 24, "sequence Q term I - 4x"),
    135: ("STATE_BEGIN", 48, "sequence Q time Q term I account I exists B - 7x adjustment Q"),
    136: ("STATE_BALANCE", 40, "account I asset I wallet B - 7x available q held q"),
    137: ("STATE_ORDER", 160, "account I symbol I order Q client_id O price q quantity q remaining q filled q cost q fee q hold q "
          "send_time Q side B order_type B time_in_force B stp B flags H state B - 1x prevented q cut q trigger q display q expire_at Q trigger_direction B trigger_source B - 6x"),
    138: ("STATE_END", 32, "sequence Q balances I orders I positions I - 4x"),
    139: ("STATE_POSITION", 48, "account I symbol I quantity q cost q margin q leverage I mode B - 3x"),
    161: ("ACCEPTED", 104, PLACE + "account I symbol I order Q client_id O price q quantity q hold q send_time Q side B order_type B "
          "time_in_force B stp B flags H - 2x"),
    162: ("REJECTED", 64, PLACE + "account I code H kind B - 1x client_id O order Q"),
    163: ("REPLAYED", 112, PLACE + "account I code H state B reason B order Q client_id O original Q filled q remaining q cost q fee q "
          "kind B - 7x"),
    164: ("TRADE", 112, PLACE + "account I symbol I order Q trade Q price q quantity q fee q remaining q filled q cost q side B "
          "liquidity B - 6x"),
    165: ("PREVENTED", 72, PLACE + "account I symbol I order Q quantity q remaining q stp B liquidity B - 6x"),
    166: ("AMENDED", 96, PLACE + "account I symbol I order Q price q quantity q remaining q hold q trigger q amend_reason B kept_priority B - 6x"),
    167: ("CANCELED", 64, PLACE + "account I symbol I order Q remaining q reason B - 7x"),
    168: ("EXPIRED", 64, PLACE + "account I symbol I order Q remaining q reason B - 1x code H - 4x"),
    169: ("DONE", 128, PLACE + "account I symbol I order Q client_id O filled q cost q fee q returned q remaining q prevented q cut q "
          "state B reason B - 6x"),
    170: ("BALANCE", 64, PLACE + "account I asset I available q held q wallet B - 7x"),
    171: ("STATUS", 40, PLACE + "symbol I status B before B - 2x"),
    172: ("CONFIG", 48, PLACE + "object Q kind B - 7x"),
    173: ("TRANSFER", 72, PLACE + "account I asset I adjustment Q amount q reference Q replayed B transfer_kind B code H - 4x"),
    174: ("MASS_DONE", 56, PLACE + "account I count I kind B more B - 14x"),
    175: ("TRIGGERED", 64, PLACE + "account I symbol I order Q price q side B order_type B - 6x"),
    176: ("REFRESHED", 72, PLACE + "account I symbol I order Q shown q remaining q side B - 7x"),
    177: ("BUSTED", 88, PLACE + "account I symbol I order Q trade Q price q quantity q fee q side B - 7x"),
    # Perpetuals (§9). A name that stands twice is a command below 128 and a report here.
    178: ("POSITION", 72, PLACE + "account I symbol I quantity q cost q margin q leverage I mode B - 3x"),
    179: ("MARK", 56, PLACE + "symbol I how B - 3x price q feed_time Q"),
    180: ("FUNDED", 64, PLACE + "symbol I - 4x number Q rate q mark q"),
    181: ("FUNDING", 64, PLACE + "account I symbol I quantity q payment q mode B - 7x"),
    182: ("LIQUIDATION", 104, PLACE + "account I symbol I order Q quantity q position q price q bankruptcy q mark q equity q mode B tier B - 6x"),
    183: ("TAKEOVER", 72, PLACE + "account I symbol I quantity q price q pnl q mode B - 7x"),
    184: ("ADL", 72, PLACE + "account I symbol I quantity q price q pnl q mode B - 7x"),
    185: ("FUND", 56, PLACE + "account I symbol I amount q asset I fund_reason B - 3x"),
    186: ("REALIZED", 80, PLACE + "account I symbol I trade Q order Q quantity q pnl q trade_role B - 7x"),
    187: ("SETTLED", 48, PLACE + "symbol I - 4x price q"),
}
TYPE = {name: number for number, (name, _, _) in MESSAGES.items() if number < 128}  # what a client sends
LAYOUT = {}  # type: name, length, fields with their zero values, struct
for number, (name, length, text) in MESSAGES.items():
    words = text.replace(" O", " 16s").split()
    zeros = {n: b"" if fmt[-1] == "s" else 0 for n, fmt in zip(words[::2], words[1::2]) if n != "-"}
    LAYOUT[number] = (name, length, zeros, struct.Struct("<" + "".join(words[1::2])))
    assert LAYOUT[number][3].size == length - 8, name
STATES = "REJECTED UNTRIGGERED NEW PARTIALLY_FILLED FILLED CANCELED EXPIRED EXPIRED_STP"


def numbered(text, first=1):
    return dict(enumerate(text.split(), first))


STATUS = numbered("PRE_OPEN TRADING HALTED CANCEL_ONLY CLOSED")
CODES = {  # by field name; a code that is not here is shown as its number
    "side": numbered("BUY SELL"), "order_type": numbered("LIMIT MARKET STOP_LIMIT STOP_MARKET"),
    "stp": numbered("DEFAULT NONE CANCEL_TAKER CANCEL_MAKER CANCEL_BOTH DECREMENT", 0),
    "time_in_force": numbered("GTC GTD IOC FOK"), "state": numbered(STATES), "status": STATUS, "before": STATUS,
    "liquidity": numbered("TAKER MAKER UNCROSS"), "role": numbered("trade readonly funds admin feed"),
    "kind": {**{n: v[0] for n, v in LAYOUT.items()}, 67: "CANCEL_ALL", 72: "DEPOSIT", 73: "WITHDRAW",
             **numbered("SET_ASSET SET_SYMBOL SET_ACCOUNT SET_STATUS SET_KEY SET_FEES BUST_TRADE SET_PERPETUAL SET_POSITION_LIMIT", 80), 98: "SETTLE_SYMBOL"},
    "wallet": numbered("SPOT FUTURES"), "mode": numbered("CROSS ISOLATED"), "fund_reason": numbered("FEE RESIDUAL DEFICIT UNCOVERED"),
    "trade_role": numbered("TAKER MAKER UNCROSS SETTLEMENT"), "how": numbered("WITHIN_LIMIT FORCED CONFIRMED", 0),
    "transfer_kind": numbered("DEPOSIT WITHDRAW TO_FUTURES TO_SPOT TO_POSITION FROM_POSITION"),
    "amend_reason": numbered("USER TRIM"),
    "reason": {0: "-", **numbered("USER MASS SESSION"), **numbered("TIME IOC FOK NO_LIQUIDITY PROTECTION BUDGET REDUCE_ONLY MARGIN "
                                                                   "TRIGGER_FAILED LIQUIDATION ADL STATUS STP FAULT", 16)},
    "busy_reason": numbered("RING_FULL RATE_LIMIT OUTSTANDING READ_ONLY SHUTTING_DOWN NOT_ENTITLED NO_SUCH_TRADE"),
    "error": numbered("BAD_LENGTH BAD_TYPE BAD_VERSION NOT_LOGGED_ON TIMEOUT SLOW_READER REPLACED SHUTTING_DOWN BAD_CREDENTIALS "
                      "TOO_MANY_CONNECTIONS BAD_FIELD BAD_TOKEN HISTORY_GONE"),
    "code": {0: "-", 100: "BAD_REQUEST", **numbered("UNKNOWN_ACCOUNT ACCOUNT_SUSPENDED UNKNOWN_ASSET UNKNOWN_SYMBOL SYMBOL_STATUS MAINTENANCE", 102),
             **numbered("PRICE_RANGE PRICE_BAND QTY_RANGE NOTIONAL", 200), **numbered("BAD_DISPLAY BAD_STP BAD_EXPIRY TRIGGER_IMMEDIATE "
             "DUPLICATE_CLIENT_ID TOO_MANY_ORDERS STALE_REQUEST POSITION_LIMIT", 205), **numbered("INSUFFICIENT_BALANCE "
             "INSUFFICIENT_MARGIN TIER_LEVERAGE REDUCE_ONLY REDUCE_ONLY_MODE NO_MARK", 300), **numbered("POST_ONLY_CROSS UNKNOWN_ORDER "
             "AMEND_QTY AMEND_NOTHING", 400), **numbered("ADJUSTMENT_OLD AMOUNT SUPPLY_LIMIT HAS_POSITION_OR_ORDERS LEVERAGE_RANGE", 500),
             **numbered("MARK_OLD MARK_JUMP FUNDING_TIME BAD_CONFIG BAD_TRADE", 600), 900: "ENGINE_FAULT"},
}
BUY, SELL, LIMIT, GTC, IOC = 1, 2, 1, 1, 3
CANCEL_ON_DISCONNECT, RESUME, LAST, ALL = 8, 1, 1, 65535


def encode(name, request=0, **values):
    """A message; fields that are not given are zero."""
    _, length, zeros, layout = LAYOUT[TYPE[name]]
    assert not set(values) - set(zeros), values
    if "client_id" in values:
        values["client_id"] = values["client_id"].to_bytes(16, "little")
    return struct.pack("<HBBI", length, TYPE[name], 1, request) + layout.pack(*{**zeros, **values}.values())


def decode(raw):
    """Name and fields of a message; None for a type that this client does not know. Bytes behind the known fields are ignored; what
    an older server does not send is zero."""
    _, kind, _, request = struct.unpack_from("<HBBI", raw)
    if kind not in LAYOUT:
        return None
    name, length, fields, layout = LAYOUT[kind]
    m = dict(zip(fields, layout.unpack_from(raw.ljust(length, b"\0"), 8)), request=request)
    if "client_id" in m:
        m["client_id"] = int.from_bytes(m["client_id"], "little")
    return name, m


def text_of(name, m):
    """One line for a human."""
    if name == "ERROR":
        m = dict(m, text=m["text"][:m["text_length"]].decode("utf-8", "replace"))
    where = "%7d.%-2d%s " % (m["sequence"], m["index"], "L" if m["report_flags"] & LAST else " ") if "report_flags" in m else " " * 12
    skip = ("sequence", "index", "term", "time", "report_flags") if "report_flags" in m else ()
    show = (k + "=" + (CODES[k].get(v, str(v)) if k in CODES else "%x" % v if k == "client_id" else v.hex() if isinstance(v, bytes) else str(v))
            for k, v in m.items() if k not in skip)
    return where + "%-10s " % name + " ".join(show)


# ---- A session ---------------------------------------------------------------------------------------------------
class Refused(Exception):
    """The server sent ERROR."""


class Usage(Exception):
    """What was asked for cannot be, and what to give instead."""


class Lost(Exception):
    """The connection is gone: connect again and resume."""


class Session:
    """One session of one key. With `prefix` it survives kill -9: PREFIX.log holds the reports, PREFIX.token the rest."""

    def __init__(self, connect, key_file, session, prefix=None, heartbeat_ms=1000, grace_ms=0, on_report=None):
        host, _, port = connect.rpartition(":")
        if not host or not port.isdigit():
            raise Usage("--connect %s: give HOST:PORT of order entry, as `ringbook serve` prints it" % connect)
        self.address, self.number, self.prefix = (host.strip("[]"), int(port)), session, prefix
        with open(key_file) as f:
            self.key = dict(line.strip().split(" = ", 1) for line in f if " = " in line)
        self.heartbeat, self.grace_ms, self.on_report = heartbeat_ms / 1000, grace_ms, on_report or (lambda line: None)
        self.socket, self.inbox, self.unanswered, self.retries, self.states = None, b"", {}, [], {}
        self.token = {"journal": "00" * 16, "term": 0, "sequence": 0, "index": 0, "known": False, "first": 0,  # what we have
                      "log": 0, "requests": 1, "tag": random.getrandbits(63), "pending": {}}               # what we did
        if prefix:
            if os.path.exists(prefix + ".token"):
                with open(prefix + ".token") as f:
                    self.token = json.load(f)
            self.log = open(prefix + ".log", "ab")
            self.log.truncate(self.token["log"])  # reports behind it were written, but the token was not: they come again
        self.request = self.token["requests"]  # no number is used twice, also not by the process before us

    def save(self):
        """Replaces the token file at once. (Against a power cut, fsync the log and this file first.)"""
        if self.prefix:
            with open(self.prefix + ".tmp", "w") as f:
                json.dump(self.token, f)
            os.replace(self.prefix + ".tmp", self.prefix + ".token")

    # -- connection --
    def open(self, seconds=15):
        """Connects, logs on, and resumes if there is a token. Returns how many reports had been missed."""
        end, told = time.monotonic() + seconds, False
        while True:
            try:
                return self.logon()
            except (OSError, Lost) as e:  # the server is not there (yet)
                if time.monotonic() > end:
                    raise
                if not told:
                    print("# %s:%d does not answer (%s): trying again for %d s" % (*self.address, e, seconds), file=sys.stderr, flush=True)
                told = True
                time.sleep(0.1)

    def logon(self):
        self.close()
        self.inbox, self.unanswered, self.retries, self.missed = b"", {}, [], 0
        self.socket = socket.create_connection(self.address, timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heard = self.sent = time.monotonic()
        self.phase = "CHALLENGE"
        while self.phase != "LIVE":
            self.poll(1.0)
        return self.missed

    def answer_challenge(self, nonce):
        t = self.token
        logon = encode("LOGON", 0, key=int(self.key["key"]), session=self.number, sequence=t["sequence"], term=t["term"], index=t["index"],
                       flags=RESUME if t["known"] else 0, heartbeat_ms=int(self.heartbeat * 1000), grace_ms=self.grace_ms,
                       journal=bytes.fromhex(t["journal"]))
        self.write(logon[:64] + sign(bytes.fromhex(self.key["secret"]), b"RINGBOOK-LOGON-1" + nonce + logon[8:64]))

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def write(self, data):
        try:
            self.socket.sendall(data)
        except OSError as e:
            raise Lost(str(e))
        self.sent = time.monotonic()

    # -- receiving --
    def poll(self, seconds=0.0):
        """Handles what arrives until something did, or the time is over. Keeps the heartbeats going: call it often."""
        end = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            if now - self.heard > 3 * self.heartbeat:
                raise Lost("the server says nothing" + "; is it order entry? HTTP has a port of its own" * (self.phase == "CHALLENGE"))
            if self.phase != "CHALLENGE" and now - self.sent > self.heartbeat / 2:
                self.write(encode("HEARTBEAT"))
            for due in [r for r in self.retries if r[0] <= now]:  # BUSY means not executed: try again
                self.retries.remove(due)
                self.send_raw(due[1])
            ready, _, _ = select.select([self.socket], [], [], max(0, min(end - now, self.heartbeat / 4)))
            if ready:
                break
            if now >= end:
                return
        try:
            data = self.socket.recv(1 << 16)
        except OSError as e:
            raise Lost(str(e))
        if not data:
            raise Lost("the server closed the connection")
        self.heard = time.monotonic()
        self.inbox += data
        at, lines, before = 0, [], dict(self.token)
        try:
            while len(self.inbox) - at >= 8:
                length, kind, version = struct.unpack_from("<HBB", self.inbox, at)
                if self.phase == "CHALLENGE" and (length, kind, version) != (64, 128, 1):
                    raise Usage("%s:%d does not speak order entry, version 1: HTTP has a port of its own" % self.address)
                if len(self.inbox) - at < length:
                    break
                raw, at = self.inbox[at:at + length], at + length
                message = decode(raw)
                if message:  # else a newer server: a type that we do not know
                    self.handle(raw, *message, lines)
        finally:
            self.inbox = self.inbox[at:]
            if self.prefix and lines:  # first the log, then the token, then the screen
                self.log.write("".join(raw.hex() + " " + line + "\n" for raw, line in lines).encode())
                self.log.flush()
                self.token["log"] = self.log.tell()
            if self.token != before or lines:
                self.save()
            for _, line in lines:
                self.on_report(line)

    def has(self, m, index):
        """Moves the token, never backwards: a farewell or a heartbeat may say less than what is here already."""
        if (m["sequence"], index) >= (self.token["sequence"], self.token["index"]):
            self.token.update(sequence=m["sequence"], term=m["term"], index=index, known=True)

    def handle(self, raw, name, m, lines):
        if raw[2] >= 160:  # a report
            place, old = (m["sequence"], m["index"]), (self.token["sequence"], self.token["index"])
            # The server sends no report twice and leaves none out; this client would rather stop than be wrong about it.
            if (place != old if place[0] == old[0] else place[0] < old[0] or place[1] != 0):
                raise AssertionError("report %r after token %r" % (place, old))
            self.has(m, m["index"] + 1)
            lines.append((raw, text_of(name, m)))
            self.missed += self.phase == "RESUME"
            if name in ("ACCEPTED", "REJECTED", "REPLAYED") and m.get("kind", 64) == 64:
                self.token["pending"].pop("%x" % m["client_id"], None)  # the order is answered
            answer = self.unanswered.get(m["request"])
            if answer:
                answer["sequence"] = m["sequence"]
                answer["reports"].append((name, m))
            if m["report_flags"] & LAST:  # of this sequence: whatever it answers is answered
                for r in [r for r, a in self.unanswered.items() if a["sequence"] == m["sequence"]]:
                    self.unanswered.pop(r)["done"] = True
        elif name == "CHALLENGE":
            self.phase = "LOGON"
            self.answer_challenge(m["nonce"])
        elif name == "LOGON_ACCEPTED":
            self.accepted = m
            self.token["journal"] = m["journal"].hex()
            if m["resume"]:
                self.phase = "RESUME"
            else:
                self.has(m, ALL)
                self.token["first"] = m["sequence"]
                self.phase = "LIVE"
        elif name in ("RESUMED", "SERVER_HEARTBEAT"):
            self.has(m, ALL)  # everything up to there has been sent
            if name == "RESUMED":
                self.phase = "LIVE"
        elif name == "BUSY":
            answer = self.unanswered.pop(m["request"])
            if CODES["busy_reason"].get(m["busy_reason"]) == "NOT_ENTITLED":
                raise Refused(text_of(name, m))
            self.retries.append((time.monotonic() + m["retry_ms"] / 1000, answer))
        elif name.startswith("STATE_"):
            self.states.setdefault(m["request"], []).append((name, m))
        elif name == "ERROR":
            again = CODES["error"].get(m["error"]) in ("TIMEOUT", "SLOW_READER", "SHUTTING_DOWN")
            raise (Lost if again else Refused)(text_of(name, m).strip())
        elif name == "LOGGED_OUT":
            self.has(m, ALL)
            self.phase = "OUT"

    # -- sending --
    def send(self, name, **values):
        return self.send_raw({"bytes": encode(name, **values), "sequence": None, "reports": [], "done": False})

    def send_raw(self, answer):
        """Sends a command under a new request number. The result's "reports" fills while poll() runs, until "done"."""
        if self.request >= self.token["requests"]:  # reserve the next thousand numbers before the first of them is used
            self.token["requests"] = self.request + 1000
            self.save()
        self.request += 1
        self.unanswered[self.request - 1] = answer
        self.write(answer["bytes"][:4] + struct.pack("<I", self.request - 1) + answer["bytes"][8:])
        return answer

    def order(self, account, symbol, side, price, quantity, tif=GTC, flags=0):
        """A limit order. It is in the token file before it is on the wire. Returns its client id and its answer."""
        client_id = self.token["tag"] << 64 | random.getrandbits(64)
        message = encode("NEW_ORDER", client_id=client_id, account=account, symbol=symbol, side=side, price=price, quantity=quantity,
                         order_type=LIMIT, time_in_force=tif, flags=flags, send_time=time.time_ns())
        self.token["pending"]["%x" % client_id] = message.hex()
        self.save()
        return client_id, self.send_raw({"bytes": message, "sequence": None, "reports": [], "done": False})

    def resend(self):
        """After a resume: sends the very same bytes of what is still unanswered again. The server does nothing twice."""
        return [self.send_raw({"bytes": bytes.fromhex(b), "sequence": None, "reports": [], "done": False})
                for b in list(self.token["pending"].values())]

    def wait(self, answer=None, seconds=10):
        """Waits for the answer to a command, or for all of them."""
        end = time.monotonic() + seconds
        while not answer["done"] if answer else self.unanswered or self.retries:
            if time.monotonic() > end:
                raise TimeoutError("no answer")
            self.poll(0.2)
        return answer and answer["reports"]

    def state(self, account):
        """The account's balances, positions and open orders after exactly one sequence: a list of (name, fields) from BEGIN to END."""
        answer = self.send("STATE_REQUEST", account=account)
        request = self.request - 1
        del self.unanswered[request]
        while not self.states.get(request) or self.states[request][-1][0] != "STATE_END":
            self.poll(0.2)
        return self.states.pop(request)

    def logout(self):
        self.wait()
        self.write(encode("LOGOUT"))
        while self.phase != "OUT":
            self.poll(0.2)
        self.close()


# ---- watch -------------------------------------------------------------------------------------------------------
def watch(a):
    s = Session(a.connect, os.path.join(a.keys, a.key + ".key"), a.session, a.state, on_report=lambda line: print(line, flush=True))
    while True:
        try:
            missed = s.open(3600)
            print("# %s, %d missed reports" % (text_of("LOGON_ACCEPTED", s.accepted).strip(), missed), file=sys.stderr, flush=True)
            while True:
                s.poll(1.0)
        except Lost as e:
            print("# connection lost (%s)" % e, file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            return s.logout() if s.socket and s.phase == "LIVE" else None


# ---- demo --------------------------------------------------------------------------------------------------------
def child(a):
    """Trades as fast as it is answered until somebody kills it. If the server goes away it resumes and goes on."""
    s = Session(a.connect, os.path.join(a.keys, "trade.key"), a.session + 1, a.state, grace_ms=300)
    seller, buyer = a.accounts
    while True:
        try:
            if not s.open() and not s.token["pending"] and s.request == 1:  # the first time: one order that will rest until we are gone
                s.order(seller, a.symbol, SELL, a.price + 2000, 1, flags=CANCEL_ON_DISCONNECT)
            s.resend()
            while True:
                s.order(seller, a.symbol, SELL, a.price, 2, flags=CANCEL_ON_DISCONNECT)
                s.order(buyer, a.symbol, BUY, a.price, 2, tif=IOC)
                resting, _ = s.order(buyer, a.symbol, BUY, a.price - 1000, 3)
                s.send("AMEND", account=buyer, client_id=resting, quantity=2)
                s.send("CANCEL", account=buyer, client_id=resting)
                s.order(buyer, a.symbol, BUY, a.price, 1)
                s.order(seller, a.symbol, SELL, a.price, 1, tif=IOC)
                while len(s.unanswered) > 12:
                    s.poll(0.2)
        except (Lost, OSError) as e:
            print("child: connection lost (%s): resuming" % e, flush=True)


class Witness(threading.Thread):
    """A read-only session that is never killed: keeps every report that it sees."""

    def __init__(self, a):
        super().__init__(daemon=True)
        self.seen, self.stop, self.error = [], False, None
        self.session = Session(a.connect, os.path.join(a.keys, "readonly.key"), a.session, None)
        inner = self.session.handle
        self.session.handle = lambda raw, name, m, lines: (inner(raw, name, m, lines), raw[2] >= 160 and self.seen.append(raw))
        self.session.open()

    def run(self):
        try:
            while not self.stop:
                try:
                    self.session.poll(0.1)
                except (Lost, OSError):
                    self.session.open()
            self.session.logout()
        except BaseException as e:
            self.error = e


def comparable(raw, accounts):
    """What sessions of the same range must agree on: everything but `request`, which is echoed to the sender only."""
    return raw[:4] + raw[8:] if decode(raw)[1].get("account") in accounts else None


def demo(a):
    folder = tempfile.mkdtemp(prefix="ringbook-demo-", dir=a.state)  # a new one: the comparison begins with this demonstration
    seller, buyer = a.accounts
    witness = Witness(a)
    witness.start()

    def title(text):
        print("\n== " + text, flush=True)

    def show(reports):
        for name, m in reports:
            print(text_of(name, m), flush=True)
        return [name for name, _ in reports]

    def need(condition, what):
        if not condition:
            raise AssertionError(what)

    title("log on, and the state of account %d" % seller)
    s = Session(a.connect, os.path.join(a.keys, "trade.key"), a.session, heartbeat_ms=10000)
    s.open()
    print(text_of("LOGON_ACCEPTED", s.accepted))
    show(s.state(seller))
    title("a limit order that rests; the same message again is REPLAYED")
    first, answer = s.order(seller, a.symbol, SELL, a.price, 5)
    if "ACCEPTED" not in show(s.wait(answer)):
        code = CODES["code"].get(answer["reports"][0][1].get("code"), "no order")
        raise Usage("the first order was refused (%s): give --symbol, --price and --accounts that can trade, as GET /v1/symbols lists "
                    "them" % code)
    again = s.send_raw(dict(answer, reports=[], done=False, sequence=None))
    need(show(s.wait(again)) == ["REPLAYED"], "not replayed")
    title("a crossing order")
    _, answer = s.order(buyer, a.symbol, BUY, a.price, 2, tif=IOC)
    need("TRADE" in show(s.wait(answer)), "no trade")
    title("amend, cancel, and cancel once more")
    need("AMENDED" in show(s.wait(s.send("AMEND", account=seller, client_id=first, quantity=4))), "not amended")
    need("CANCELED" in show(s.wait(s.send("CANCEL", account=seller, client_id=first))), "not cancelled")
    need("REPLAYED" in show(s.wait(s.send("CANCEL", account=seller, client_id=first))), "not replayed")

    title("a child trades; kill -9 in the middle")
    prefix = os.path.join(folder, "child")
    log, token = prefix + ".log", prefix + ".token"
    command = [sys.executable, os.path.abspath(__file__), "child", "--connect", a.connect, "--keys", a.keys, "--state", prefix, "--symbol",
               str(a.symbol), "--price", str(a.price), "--session", str(a.session), "--accounts", *map(str, a.accounts)]
    process = subprocess.Popen(command)
    try:
        end = time.monotonic() + a.seconds + 20
        start = time.monotonic()
        while not os.path.exists(log) or os.path.getsize(log) < 20000 or time.monotonic() - start < a.seconds:
            need(process.poll() is None and time.monotonic() < end, "the child did not trade")
            try:
                s.poll(0.01)
            except Lost:  # the server was restarted under us
                s.open()
        time.sleep(random.random() / 20)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with open(token) as f:
        t = json.load(f)
    with open(log, "rb") as f:
        lines = f.read().count(b"\n")
    print("killed; its token: sequence %d index %d; %d reports in its log; %d orders unanswered" % (t["sequence"], t["index"], lines, len(t["pending"])))
    title("while it is dead another session trades, and its flagged orders are cancelled after their grace period")
    _, answer = s.order(seller, a.symbol, SELL, a.price + 500, 1)
    show(s.wait(answer))
    end = time.monotonic() + 0.7
    while time.monotonic() < end:
        s.poll(0.1)

    title("resume from the token file: exactly the reports that it missed")
    r = Session(a.connect, os.path.join(a.keys, "trade.key"), a.session + 1, prefix, on_report=print)
    missed = r.open()
    with open(log) as f:
        need(any(" CANCELED " in line and "reason=SESSION" in line for line in f.readlines()[lines:]), "the flagged order was not cancelled")
    print("-- %d missed reports; %d orders are still unanswered: sending the same bytes again" % (missed, len(r.token["pending"])))
    for answer in r.resend():
        need(r.wait(answer)[0][0] in ("ACCEPTED", "REPLAYED", "REJECTED"), "no answer")
    title("cancel what is left of this demonstration, log out")
    for account in a.accounts:
        for name, m in r.state(account):
            if name == "STATE_ORDER" and m["client_id"] >> 64 in (r.token["tag"], s.token["tag"]):
                r.send("CANCEL", account=account, order=m["order"])
    r.wait()
    r.logout()
    s.logout()
    witness.stop = True
    witness.join(10)
    need(not witness.is_alive() and not witness.error, "witness: %s" % witness.error)

    title("compare the child's log with what the read-only session saw")
    low, high = r.token["first"], r.token["sequence"]
    with open(log) as f:
        mine = [bytes.fromhex(line.split(" ", 1)[0]) for line in f]
    mine = [c for c in (comparable(raw, a.accounts) for raw in mine) if c]
    seen = [c for c in (comparable(raw, a.accounts) for raw in witness.seen if low < struct.unpack_from("<Q", raw, 8)[0] <= high) if c]
    need(len(set(mine)) == len(mine), "duplicates")
    need(mine == seen, "the logs differ: %d and %d reports" % (len(mine), len(seen)))
    print("%d reports of accounts %s, sequences %d to %d: the same in both, none missing, none twice" % (len(mine), a.accounts, low + 1, high))
    if not a.state:
        shutil.rmtree(folder)
    print("ok")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("command", choices=["demo", "watch", "child"])
    p.add_argument("--connect", required=True, help="HOST:PORT of order entry")
    p.add_argument("--keys", required=True, help="folder with trade.key, readonly.key, …")
    p.add_argument("--key", default="readonly", help="watch: which key (default: readonly)")
    p.add_argument("--state", help="watch: prefix of the token and log files; demo: keep them in a new folder in here")
    p.add_argument("--session", type=int, default=901, help="session number (demo also uses the next one)")
    # The demo needs a price where nobody else has orders: the demo market of scripts/run trades symbol 1.
    p.add_argument("--symbol", type=int, default=2)
    p.add_argument("--price", type=int, default=300000, help="in ticks")
    p.add_argument("--accounts", type=int, nargs=2, default=[100, 101], help="seller and buyer")
    p.add_argument("--seconds", type=float, default=0.5, help="demo: how long the child trades at least")
    a = p.parse_args()
    try:
        {"demo": demo, "watch": watch, "child": child}[a.command](a)
    except (Refused, Usage) as e:
        sys.exit(str(e))
    except (OSError, Lost) as e:
        sys.exit("%s; is the exchange running at %s, and are its keys in %s?" % (e, a.connect, a.keys))


if __name__ == "__main__":
    main()
