"""The WSGI application of the interop tests: one path, one behaviour."""

import hashlib
import json


def application(environ, start_response):
    path = environ.get('PATH_INFO', '')
    name = path.strip('/').split('/')[0]
    handler = HANDLERS.get(name, not_found)
    return handler(environ, start_response)


def environment(environ, start_response):
    """Every variable that is text, as JSON."""
    body = json.dumps({k: v for k, v in environ.items() if isinstance(v, str)}).encode()
    start_response('200 OK', [('Content-Type', 'application/json'), ('Content-Length', str(len(body)))])
    return [body]


def upload(environ, start_response):
    """Length and digest of the request body, as it was read to its end."""
    digest = hashlib.sha256()
    length = 0
    left = int(environ.get('CONTENT_LENGTH') or 0)
    while left > 0:
        piece = environ['wsgi.input'].read(min(left, 65536))
        if not piece:
            break
        digest.update(piece)
        length += len(piece)
        left -= len(piece)
    body = json.dumps({
        'length': length,
        'sha256': digest.hexdigest(),
        'type': environ.get('CONTENT_TYPE', ''),
        'method': environ['REQUEST_METHOD'],
    }).encode()
    start_response('200 OK', [('Content-Type', 'application/json')])
    return [body]


def stream(environ, start_response):
    """Pieces of a body without Content-Length, each only after the one before was sent."""
    start_response('200 OK', [('Content-Type', 'text/plain')])

    def pieces():
        for i in range(100):
            yield ('piece %d\n' % i).encode() * 100
    return pieces()


def events(environ, start_response):
    """The first event at once; the second when another request has come, so that nothing can have held it back."""
    start_response('200 OK', [('Content-Type', 'text/event-stream')])

    def pieces():
        RELEASE.clear()
        yield b'data: first\n\n'
        RELEASE.wait(20)
        yield b'data: second\n\n'
    return pieces()


def release(environ, start_response):
    RELEASE.set()
    start_response('204 No Content', [])
    return []


def cookies(environ, start_response):
    body = environ.get('HTTP_COOKIE', '').encode()
    start_response('200 OK', [
        ('Content-Type', 'text/plain'),
        ('Set-Cookie', 'session=abc; Path=/; HttpOnly'),
        ('Set-Cookie', 'theme=dark; Path=/'),
    ])
    return [body]


def head(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '1234'), ('X-Method', environ['REQUEST_METHOD'])])
    return [] if environ['REQUEST_METHOD'] == 'HEAD' else [b'x' * 1234]


def redirect(environ, start_response):
    start_response('302 Found', [('Location', environ['SCRIPT_NAME'] + '/env')])
    return []


def status(environ, start_response):
    """/status/418/I'm%20a%20teapot"""
    _, _, code, reason = environ['PATH_INFO'].split('/')
    start_response('%s %s' % (code, reason), [('Content-Type', 'text/plain'), ('X-App', 'yes')])
    return [] if code in ('204', '304') else [('status ' + code).encode()]


def large(environ, start_response):
    """Ten megabytes of which every byte is known."""
    block = bytes(range(256)) * 256
    start_response('200 OK', [('Content-Type', 'application/octet-stream'), ('Content-Length', str(len(block) * 160))])
    return (block for _ in range(160))


def short(environ, start_response):
    """Fewer bytes than it says."""
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '100')])
    return [b'too short']


def error(environ, start_response):
    """An exception before the head: uWSGI closes, or sends what it likes."""
    raise RuntimeError('as it should')


def not_found(environ, start_response):
    start_response('404 Not Found', [('Content-Type', 'text/plain')])
    return [b'nothing here\n']


import threading  # noqa: E402

RELEASE = threading.Event()
HANDLERS = {
    'env': environment, 'upload': upload, 'stream': stream, 'events': events, 'release': release, 'cookies': cookies,
    'head': head, 'redirect': redirect, 'status': status, 'large': large, 'short': short, 'error': error,
}
