FROM gnuoctave/octave:9.2.0
RUN pip3 install --break-system-packages notebook==7.2.2 octave_kernel==0.36.0 && octave --eval 'pkg install -forge symbolic'
ARG NB_USER=octave
ARG NB_UID=1000
ENV NB_USER ${NB_USER}
ENV NB_UID  ${NB_UID}
ENV HOME    /home/${NB_USER}
RUN adduser --disabled-password --gecos "Default user" --uid ${NB_UID} ${NB_USER}
COPY . ${HOME}
RUN chown -R ${NB_UID} ${HOME}
USER ${NB_USER}
WORKDIR ${HOME}
