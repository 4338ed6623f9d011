# A WSGI application, for uWSGI.


def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [('Hello from Python, at %s\n' % environ['PATH_INFO']).encode()]
