"""One action by Python's ftplib: ftplib-client.py ACTION ARGUMENT..."""
import ftplib
import os
import socket
import ssl
import sys

port, tls, data = int(os.environ['TEST_PORT']), os.environ['TEST_TLS'], os.environ['TEST_DATA']
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


class Implicit(ftplib.FTP_TLS):
    """TLS from the first byte, which ftplib has no word for."""

    def connect(self, host, port, timeout):
        self.host, self.port, self.timeout = host, port, timeout
        self.sock = self.context.wrap_socket(socket.create_connection((host, port), timeout))
        self.af = self.sock.family
        self.file = self.sock.makefile('r', encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome

    def login(self, *arguments):
        return ftplib.FTP.login(self, *arguments)


def connect():
    ftp = {'none': ftplib.FTP, 'explicit': lambda: ftplib.FTP_TLS(context=context), 'implicit': lambda: Implicit(context=context)}[tls]()
    ftp.connect('127.0.0.1', port, 20)
    ftp.login(os.environ['TEST_USER'], os.environ['TEST_PASSWORD'])
    if tls != 'none':
        ftp.prot_p()
    ftp.set_pasv(data != 'active')
    if data == 'extended':
        # It asks for EPSV where it takes the connection for one of IPv6.
        ftp.makepasv = lambda: ftplib.parse229(ftp.sendcmd('EPSV'), ftp.sock.getpeername())
    return ftp


def act(ftp, action, *arguments):
    if action == 'put':
        with open(arguments[0], 'rb') as source:
            ftp.storbinary(f'STOR {arguments[1]}', source, 1 << 18)
    elif action == 'get':
        with open(arguments[1], 'wb') as target:
            ftp.retrbinary(f'RETR {arguments[0]}', target.write, 1 << 18)
    elif action == 'resume-put':
        ftp.voidcmd('TYPE I')
        size = ftp.size(arguments[1])
        with open(arguments[0], 'rb') as source:
            source.seek(size)
            ftp.storbinary(f'STOR {arguments[1]}', source, 1 << 18, rest=size)
    elif action == 'resume-get':
        with open(arguments[1], 'ab') as target:
            ftp.retrbinary(f'RETR {arguments[0]}', target.write, 1 << 18, rest=target.tell())
    elif action == 'list':
        names = [name for name, facts in ftp.mlsd(arguments[0])]
        ftp.cwd(arguments[0])
        assert sorted(ftp.nlst()) == sorted(names), 'NLST and MLSD differ'
        print('\n'.join(names))
    elif action == 'rename':
        ftp.rename(*arguments)
    elif action == 'remove':
        ftp.delete(*arguments)


client = connect()
act(client, *sys.argv[1:])
client.quit()
