	FROM	node:20	AS	base
	WORKDIR	/app
		COPY	--chown=node:node	package.json	./
	RUN	npm install	&&	\
		npm cache clean	--force	
	ENV	A=1	B=2	C="3	4"
	LABEL	one=1	two=2
	EXPOSE	3000	9229/tcp
	CMD	["node",	"."]
