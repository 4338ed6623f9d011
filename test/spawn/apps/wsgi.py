import os


def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [('Python %s %d' % (environ['PATH_INFO'], os.getpid())).encode()]
