FROM scratch
CMD ["c"]
ENV X=1
