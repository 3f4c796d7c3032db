"""HTTPS: who is trusted, and what is said when nobody is."""
import ssl
import subprocess

import pytest
from servers import Server, sound

QUICK = "core/first-contact"


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A CA of our own, and from it a certificate for 127.0.0.1 and one for somebody else."""
    folder = tmp_path_factory.mktemp("tls")
    ca, ca_key = folder / "ca.pem", folder / "ca.key"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", ca_key, "-out", ca, "-subj", "/CN=Test CA", "-days", "2")
    for name, alternative in {"here": "IP:127.0.0.1,DNS:localhost", "elsewhere": "DNS:elsewhere.example"}.items():
        openssl("req", "-x509", *curve, "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem", "-days", "2",
                "-subj", f"/CN={name}", "-addext", f"subjectAltName={alternative}", "-CA", ca, "-CAkey", ca_key)
    return folder


def tls(folder, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


def test_an_unknown_ca_is_named_with_the_ways_out(play, certificates):
    with sound(tls=tls(certificates, "here")) as server:
        done = play(server.url, QUICK)
    assert done.code == 3 and done.end == "unreachable" and not server.requests
    assert f"{server.url} could not be reached: TLS could not be agreed: " in done.err
    assert "certificate" in done.err and "--cacert FILE" in done.err and "-k " in done.err


@pytest.mark.parametrize("trust", ["--cacert", "-k"])
def test_trusted(play, certificates, trust):
    options = ["--cacert", certificates / "ca.pem"] if trust == "--cacert" else ["-k"]
    with sound(tls=tls(certificates, "here")) as server:
        done = play(server.url, QUICK, *options)
    assert (done.code, done.failed) == (0, [])
    assert all(request.signed() for request in server.requests) and len(server.requests) == 40
    fresh = [a for a in done.answers if a["tls_us"]]
    assert 0 < len(fresh) == server.connections < 40 and all(a["connect_us"] for a in fresh)


def test_localhost_by_name(play, certificates):
    with sound(tls=tls(certificates, "here")) as server:
        done = play(server.url.replace("127.0.0.1", "localhost"), QUICK, "--cacert", certificates / "ca.pem")
    assert (done.code, done.failed) == (0, [])


def test_a_certificate_for_another_host(play, certificates):
    with sound(tls=tls(certificates, "elsewhere")) as server:
        done = play(server.url, QUICK, "--cacert", certificates / "ca.pem")
        assert done.code == 3 and "could not be reached: TLS could not be agreed" in done.err and "127.0.0.1" in done.err
        assert play(server.url, QUICK, "-k").code == 0


def test_https_where_http_is_spoken(play):
    def talk(_, connection):
        connection.more()
        connection.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with Server(talk) as server:
        done = play(server.url.replace("http:", "https:"), QUICK)
    assert done.code == 3 and "TLS could not be agreed" in done.err


def test_a_tls_handshake_that_is_never_answered(play):
    with Server(lambda _, connection: connection.wait_closed()) as server:
        done = play(server.url.replace("http:", "https:"), QUICK, "--ack-deadline", "300ms")
    assert done.code == 1 and done.failed == ["ack/deadline"] and "not even the connection was ready" in done.came["ack/deadline"]


def test_http_where_https_is_spoken(play, certificates):
    with sound(tls=tls(certificates, "here")) as server:
        done = play(server.url.replace("https:", "http:"), QUICK)
    assert done.code == 1 and done.failed == ["ack/deadline"]


def test_a_ca_file_that_is_not_there(pimsim, tmp_path):
    done = pimsim("run", "-u", "https://localhost/", "-s", "x", "--cacert", "none.pem", "--journal", "kept.ndjson")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "pimsim run: --cacert: none.pem: No such file or directory\n"
    assert not (tmp_path / "kept.ndjson").exists()


def test_a_ca_file_that_is_none(play, certificates, tmp_path):
    (tmp_path / "notes.txt").write_text("not a certificate")
    with sound(tls=tls(certificates, "here")) as server:
        done = play(server.url, QUICK, "--cacert", "notes.txt")
    assert done.code == 3 and "notes.txt" in done.err


def test_the_connector_is_waited_for_no_longer_than_its_certificate_makes_sense(play, certificates):
    with sound(tls=tls(certificates, "here")) as server:
        done = play(server.url, QUICK, "--exec", "sleep 100")
    assert done.code == 3 and "--cacert" in done.err
